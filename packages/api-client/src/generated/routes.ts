// Made by `make documents` from docs/openapi.json. Do not edit.

import type { Route } from '../core/call.ts';
import type { Api } from './api.ts';

/** What the client must know of each operation to call it. */
export const ROUTES: { [Group in keyof Api]: Record<keyof Api[Group], Route> } = {
  health: { getHealth: { method: 'GET', path: '/health', answer: 'json', isPublic: true } },
  signingKeys: {
    getJwks: { method: 'GET', path: '/.well-known/jwks.json', answer: 'json', isPublic: true },
  },
  sessions: {
    refreshSession: {
      method: 'POST',
      path: '/api/auth/refresh',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
    listSessions: { method: 'GET', path: '/api/auth/sessions', answer: 'json', isList: true },
    endOtherSessions: { method: 'DELETE', path: '/api/auth/sessions', answer: 'json' },
    endSession: { method: 'DELETE', path: '/api/auth/sessions/{id}', answer: 'none' },
    logOut: { method: 'POST', path: '/api/auth/logout', answer: 'none', isKeyed: true },
  },
  apiTokens: {
    createApiToken: { method: 'POST', path: '/api/auth/tokens', answer: 'json', isKeyed: true },
    listApiTokens: { method: 'GET', path: '/api/auth/tokens', answer: 'json', isList: true },
    revokeApiToken: { method: 'DELETE', path: '/api/auth/tokens/{id}', answer: 'none' },
    createServiceAccount: {
      method: 'POST',
      path: '/api/users/service-accounts',
      answer: 'json',
      isKeyed: true,
    },
    listServiceAccounts: {
      method: 'GET',
      path: '/api/users/service-accounts',
      answer: 'json',
      isList: true,
    },
    introspectToken: {
      method: 'POST',
      path: '/api/auth/introspect',
      answer: 'json',
      isKeyed: true,
    },
  },
  signIn: {
    registerUser: {
      method: 'POST',
      path: '/api/users/register',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
    logInUser: {
      method: 'POST',
      path: '/api/users/login',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
  },
  passwords: {
    forgotPassword: {
      method: 'POST',
      path: '/api/auth/forgot-password',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
    resetPassword: {
      method: 'POST',
      path: '/api/auth/reset-password',
      answer: 'none',
      isKeyed: true,
      isPublic: true,
    },
    changePassword: {
      method: 'POST',
      path: '/api/users/me/password',
      answer: 'json',
      isKeyed: true,
    },
  },
  account: {
    confirmEmail: {
      method: 'POST',
      path: '/api/auth/confirm-email',
      answer: 'none',
      isKeyed: true,
      isPublic: true,
    },
    getProfile: { method: 'GET', path: '/api/users/me', answer: 'json' },
    updateProfile: { method: 'PATCH', path: '/api/users/me', answer: 'json' },
    deleteAccount: { method: 'DELETE', path: '/api/users/me', answer: 'none' },
    changeEmail: { method: 'POST', path: '/api/users/me/email', answer: 'json', isKeyed: true },
  },
  vendorProfiles: {
    listVendorProfiles: {
      method: 'GET',
      path: '/api/vendor-profiles',
      answer: 'json',
      isList: true,
    },
    createVendorProfile: {
      method: 'POST',
      path: '/api/vendor-profiles',
      answer: 'json',
      isKeyed: true,
    },
    searchVendorProfiles: {
      method: 'GET',
      path: '/api/vendor-profiles/search',
      answer: 'json',
      isList: true,
    },
    listByBusinessType: {
      method: 'GET',
      path: '/api/vendor-profiles/by-business-type/{type}',
      answer: 'json',
      isList: true,
    },
    listByCountry: {
      method: 'GET',
      path: '/api/vendor-profiles/by-country/{country}',
      answer: 'json',
      isList: true,
    },
    getProfileOfUser: { method: 'GET', path: '/api/vendor-profiles/user/{userId}', answer: 'json' },
    getVendorProfile: { method: 'GET', path: '/api/vendor-profiles/{id}', answer: 'json' },
    updateVendorProfile: { method: 'PATCH', path: '/api/vendor-profiles/{id}', answer: 'json' },
    deleteVendorProfile: { method: 'DELETE', path: '/api/vendor-profiles/{id}', answer: 'none' },
    updateProfileFiles: {
      method: 'PATCH',
      path: '/api/vendor-profiles/{id}/files',
      answer: 'json',
    },
  },
  directory: {
    listUsers: { method: 'GET', path: '/api/users', answer: 'json', isList: true },
    createUser: { method: 'POST', path: '/api/users', answer: 'json', isKeyed: true },
    listVendors: { method: 'GET', path: '/api/users/vendors', answer: 'json', isList: true },
    listUsersByType: {
      method: 'GET',
      path: '/api/users/by-type/{type}',
      answer: 'json',
      isList: true,
    },
    searchUsers: { method: 'GET', path: '/api/users/search', answer: 'json', isList: true },
    exportUsers: { method: 'GET', path: '/api/users/export', answer: 'stream' },
    getUser: { method: 'GET', path: '/api/users/{id}', answer: 'json' },
    updateUser: { method: 'PATCH', path: '/api/users/{id}', answer: 'json' },
    deleteUser: { method: 'DELETE', path: '/api/users/{id}', answer: 'none' },
    getDeletionPlan: { method: 'GET', path: '/api/users/{id}/deletion-plan', answer: 'json' },
    updateUserStatus: { method: 'PATCH', path: '/api/users/{id}/status', answer: 'json' },
  },
  import: {
    importUsers: { method: 'POST', path: '/api/users/import', answer: 'stream', isKeyed: true },
  },
  seed004: {
    registerUser: {
      method: 'POST',
      path: '/api/v1/auth/register',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
    logInUser: {
      method: 'POST',
      path: '/api/v1/auth/login',
      answer: 'json',
      isKeyed: true,
      isPublic: true,
    },
    getUser: { method: 'GET', path: '/api/v1/auth/user', answer: 'json' },
    listActiveSessions: {
      method: 'GET',
      path: '/api/v1/auth/user/active-sessions',
      answer: 'json',
    },
    logOutSession: {
      method: 'POST',
      path: '/api/v1/auth/user/logout/{id}',
      answer: 'json',
      isKeyed: true,
    },
  },
  files: {
    listFiles: { method: 'GET', path: '/api/files', answer: 'json', isList: true },
    getFileMetadata: { method: 'GET', path: '/api/files/{id}/metadata', answer: 'json' },
    renameFile: { method: 'PATCH', path: '/api/files/{id}', answer: 'json' },
    deleteFile: { method: 'DELETE', path: '/api/files/{id}', answer: 'none' },
  },
  uploads: {
    uploadFile: { method: 'POST', path: '/api/files', answer: 'json', isKeyed: true, isForm: true },
  },
  downloads: {
    downloadFile: { method: 'GET', path: '/api/files/{id}', answer: 'stream' },
    downloadFileHead: { method: 'HEAD', path: '/api/files/{id}', answer: 'none' },
  },
  profileFiles: {
    getVendorLogo: { method: 'GET', path: '/api/files/vendor-logos/{id}', answer: 'stream' },
    getVendorLogoHead: { method: 'HEAD', path: '/api/files/vendor-logos/{id}', answer: 'none' },
    getVendorCertificate: {
      method: 'GET',
      path: '/api/files/vendor-certificates/{id}',
      answer: 'stream',
    },
    getVendorCertificateHead: {
      method: 'HEAD',
      path: '/api/files/vendor-certificates/{id}',
      answer: 'none',
    },
  },
  trail: {
    listLogs: { method: 'GET', path: '/api/audit/logs', answer: 'json', isList: true },
    getLog: { method: 'GET', path: '/api/audit/logs/{id}', answer: 'json' },
  },
  proofs: {
    proveLog: { method: 'GET', path: '/api/audit/logs/{id}/proof', answer: 'json' },
    getCheckpoint: { method: 'GET', path: '/api/audit/checkpoint', answer: 'text' },
    proveConsistency: { method: 'GET', path: '/api/audit/consistency', answer: 'json' },
    getTile: { method: 'GET', path: '/api/audit/tile/{level}/{path}', answer: 'stream' },
    getEntryBundle: { method: 'GET', path: '/api/audit/tile/entries/{path}', answer: 'stream' },
  },
  export: { exportLogs: { method: 'GET', path: '/api/audit/export', answer: 'stream' } },
  live: { streamLogs: { method: 'GET', path: '/api/audit/stream', answer: 'stream' } },
  appEvents: {
    recordEvents: { method: 'POST', path: '/api/audit/events', answer: 'json', isKeyed: true },
  },
  erasure: {
    eraseSubject: { method: 'POST', path: '/api/audit/erasures', answer: 'none', isKeyed: true },
  },
  viewerTokens: {
    createViewerToken: {
      method: 'POST',
      path: '/api/audit/viewer-tokens',
      answer: 'json',
      isKeyed: true,
    },
    listViewerTokens: {
      method: 'GET',
      path: '/api/audit/viewer-tokens',
      answer: 'json',
      isList: true,
    },
    revokeViewerToken: { method: 'DELETE', path: '/api/audit/viewer-tokens/{id}', answer: 'none' },
  },
  quarantine: {
    listQuarantine: { method: 'GET', path: '/api/audit/quarantine', answer: 'json', isList: true },
    replayRecord: {
      method: 'POST',
      path: '/api/audit/quarantine/{id}/replay',
      answer: 'json',
      isKeyed: true,
    },
    replayQuarantine: {
      method: 'POST',
      path: '/api/audit/quarantine/replay',
      answer: 'json',
      isKeyed: true,
    },
  },
  completeness: {
    getCompleteness: { method: 'GET', path: '/api/audit/completeness', answer: 'json' },
    declareLost: {
      method: 'POST',
      path: '/api/audit/holes/declare-lost',
      answer: 'json',
      isKeyed: true,
    },
  },
  webhooks: {
    createWebhook: { method: 'POST', path: '/api/audit/webhooks', answer: 'json', isKeyed: true },
    listWebhooks: { method: 'GET', path: '/api/audit/webhooks', answer: 'json', isList: true },
    getWebhook: { method: 'GET', path: '/api/audit/webhooks/{id}', answer: 'json' },
    updateWebhook: { method: 'PATCH', path: '/api/audit/webhooks/{id}', answer: 'json' },
    deleteWebhook: { method: 'DELETE', path: '/api/audit/webhooks/{id}', answer: 'none' },
    rotateWebhookSecret: {
      method: 'POST',
      path: '/api/audit/webhooks/{id}/secret',
      answer: 'json',
      isKeyed: true,
    },
    testWebhook: {
      method: 'POST',
      path: '/api/audit/webhooks/{id}/test',
      answer: 'json',
      isKeyed: true,
    },
    listWebhookDeliveries: {
      method: 'GET',
      path: '/api/audit/webhooks/{id}/deliveries',
      answer: 'json',
      isList: true,
    },
    retryWebhookDelivery: {
      method: 'POST',
      path: '/api/audit/webhooks/{id}/deliveries/{delivery_id}/retry',
      answer: 'json',
      isKeyed: true,
    },
  },
};
