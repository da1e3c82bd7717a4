// Made by `make documents` from docs/openapi.json. Do not edit.

import type { Call, ListCall, NoInput } from '../core/call.ts';
import type { Schemas } from './schemas.ts';

/** Each operation of the document, under its tag. */
export interface Api {
  health: {
    /** Tell whether the product answers. `GET /health` */
    getHealth: Call<NoInput, Schemas['GetHealthResponse']>;
  };
  signingKeys: {
    /** Get the public keys that verify access tokens. `GET /.well-known/jwks.json` */
    getJwks: Call<NoInput, Schemas['GetJwksResponse']>;
  };
  sessions: {
    /** Exchange a refresh token for new tokens. `POST /api/auth/refresh` */
    refreshSession: Call<
      { query?: { session?: 'token' | 'cookie' }; body?: Schemas['RefreshSessionRequest'] },
      Schemas['RefreshSessionResponse']
    >;
    /** List where the caller is signed in. `GET /api/auth/sessions` */
    listSessions: ListCall<
      { query?: { limit?: number; cursor?: string } },
      Schemas['SessionPage'],
      Schemas['Session']
    >;
    /** End every session of the caller but the current one. `DELETE /api/auth/sessions` */
    endOtherSessions: Call<NoInput, Schemas['EndOtherSessionsResponse']>;
    /** End one session of the caller. `DELETE /api/auth/sessions/{id}` */
    endSession: Call<{ path: { id: string } }, undefined>;
    /** End the current session. `POST /api/auth/logout` */
    logOut: Call<NoInput, undefined>;
  };
  apiTokens: {
    /** Create an API token. `POST /api/auth/tokens` */
    createApiToken: Call<
      { body: Schemas['CreateApiTokenRequest'] },
      Schemas['CreateApiTokenResponse']
    >;
    /** List the live API tokens of the caller. `GET /api/auth/tokens` */
    listApiTokens: ListCall<
      { query?: { limit?: number; cursor?: string; user_id?: string } },
      Schemas['ApiTokenPage'],
      Schemas['ApiToken']
    >;
    /** Revoke an API token. `DELETE /api/auth/tokens/{id}` */
    revokeApiToken: Call<{ path: { id: string } }, undefined>;
    /** Create a service account. `POST /api/users/service-accounts` */
    createServiceAccount: Call<
      { body: Schemas['CreateServiceAccountRequest'] },
      Schemas['ServiceAccount']
    >;
    /** List the service accounts. `GET /api/users/service-accounts` */
    listServiceAccounts: ListCall<
      { query?: { limit?: number; cursor?: string } },
      Schemas['ServiceAccountPage'],
      Schemas['ServiceAccount']
    >;
    /** Tell whether a token is valid. `POST /api/auth/introspect` */
    introspectToken: Call<
      { body: Schemas['IntrospectTokenRequest'] },
      Schemas['IntrospectTokenResponse']
    >;
  };
  signIn: {
    /** Create an account and log in to it. `POST /api/users/register` */
    registerUser: Call<
      { query?: { session?: 'token' | 'cookie' }; body: Schemas['RegisterUserRequest'] },
      Schemas['SignedIn']
    >;
    /** Log in by e-mail address and password. `POST /api/users/login` */
    logInUser: Call<
      { query?: { session?: 'token' | 'cookie' }; body: Schemas['LogInUserRequest'] },
      Schemas['SignedIn']
    >;
  };
  passwords: {
    /** Ask for a mail with a link to a new password. `POST /api/auth/forgot-password` */
    forgotPassword: Call<
      { body: Schemas['ForgotPasswordRequest'] },
      Schemas['ForgotPasswordResponse']
    >;
    /** Set a new password by the token of a mail. `POST /api/auth/reset-password` */
    resetPassword: Call<{ body: Schemas['ResetPasswordRequest'] }, undefined>;
    /** Change the password, end every session and open a new one. `POST /api/users/me/password` */
    changePassword: Call<{ body: Schemas['ChangePasswordRequest'] }, Schemas['SignedIn']>;
  };
  account: {
    /** Confirm an e-mail address by the token of a mail. `POST /api/auth/confirm-email` */
    confirmEmail: Call<{ body: Schemas['ConfirmEmailRequest'] }, undefined>;
    /** Get the caller's own profile. `GET /api/users/me` */
    getProfile: Call<NoInput, Schemas['User']>;
    /** Change or clear the caller's names and user_metadata. `PATCH /api/users/me` */
    updateProfile: Call<{ body: Schemas['UpdateProfileRequest'] }, Schemas['User']>;
    /** Delete the caller's account. `DELETE /api/users/me` */
    deleteAccount: Call<{ body: Schemas['DeleteAccountRequest'] }, undefined>;
    /**
     * Ask for a link that confirms a new e-mail address, or verifies the current one. `POST
     * /api/users/me/email`
     */
    changeEmail: Call<{ body: Schemas['ChangeEmailRequest'] }, Schemas['ChangeEmailResponse']>;
  };
  vendorProfiles: {
    /** List vendor profiles, newest first. `GET /api/vendor-profiles` */
    listVendorProfiles: ListCall<
      { query?: { limit?: number; cursor?: string } },
      Schemas['VendorProfilePage'],
      Schemas['VendorProfile']
    >;
    /**
     * Create the profile of the calling vendor, or as administrator of any vendor. `POST
     * /api/vendor-profiles`
     */
    createVendorProfile: Call<
      { body: Schemas['CreateVendorProfileRequest'] },
      Schemas['VendorProfile']
    >;
    /** Search vendor profiles by the beginnings of words. `GET /api/vendor-profiles/search` */
    searchVendorProfiles: ListCall<
      { query: { limit?: number; cursor?: string; q: string } },
      Schemas['VendorProfilePage'],
      Schemas['VendorProfile']
    >;
    /**
     * List the vendor profiles of a business type, newest first. `GET
     * /api/vendor-profiles/by-business-type/{type}`
     */
    listByBusinessType: ListCall<
      { path: { type: string }; query?: { limit?: number; cursor?: string } },
      Schemas['VendorProfilePage'],
      Schemas['VendorProfile']
    >;
    /**
     * List the vendor profiles of a country, newest first. `GET
     * /api/vendor-profiles/by-country/{country}`
     */
    listByCountry: ListCall<
      { path: { country: string }; query?: { limit?: number; cursor?: string } },
      Schemas['VendorProfilePage'],
      Schemas['VendorProfile']
    >;
    /**
     * Get the profile of a vendor by the id of the user. `GET
     * /api/vendor-profiles/user/{userId}`
     */
    getProfileOfUser: Call<{ path: { userId: string } }, Schemas['VendorProfile']>;
    /** Get a vendor profile. `GET /api/vendor-profiles/{id}` */
    getVendorProfile: Call<{ path: { id: string } }, Schemas['VendorProfile']>;
    /** Change fields and files of a vendor profile. `PATCH /api/vendor-profiles/{id}` */
    updateVendorProfile: Call<
      { path: { id: string }; body: Schemas['UpdateVendorProfileRequest'] },
      Schemas['VendorProfile']
    >;
    /** Delete a vendor profile. `DELETE /api/vendor-profiles/{id}` */
    deleteVendorProfile: Call<{ path: { id: string } }, undefined>;
    /**
     * Upload the logo or the certificate of a vendor profile. `PATCH
     * /api/vendor-profiles/{id}/files`
     */
    updateProfileFiles: Call<
      { path: { id: string }; body: Schemas['UpdateProfileFilesRequest'] },
      Schemas['VendorProfile']
    >;
  };
  directory: {
    /** List users by filter and order. `GET /api/users` */
    listUsers: ListCall<
      {
        query?: {
          limit?: number;
          cursor?: string;
          order?: '-created' | 'created' | 'email' | '-email' | 'last_active' | '-last_active';
          count?: boolean;
          include?: string;
          type?: 'customer' | 'vendor' | 'admin' | 'auditor';
          status?: 'active' | 'inactive' | 'suspended' | 'pending';
          country?: string;
          created_from?: string;
          created_to?: string;
          last_active_from?: string;
          last_active_to?: string;
          ids?: string;
          email?: string;
          phone?: string;
          external_id?: string;
          user_metadata?: string;
          app_metadata?: string;
        };
      },
      Schemas['ListedUserPage'],
      Schemas['ListedUser']
    >;
    /** Create a user, whom a mail invites to set a password. `POST /api/users` */
    createUser: Call<{ body: Schemas['CreateUserRequest'] }, Schemas['DirectoryUser']>;
    /** List vendors by filter and order. `GET /api/users/vendors` */
    listVendors: ListCall<
      {
        query?: {
          limit?: number;
          cursor?: string;
          order?: '-created' | 'created' | 'email' | '-email' | 'last_active' | '-last_active';
          count?: boolean;
          include?: string;
          status?: 'active' | 'inactive' | 'suspended' | 'pending';
          country?: string;
          created_from?: string;
          created_to?: string;
          last_active_from?: string;
          last_active_to?: string;
          ids?: string;
          email?: string;
          phone?: string;
          external_id?: string;
          user_metadata?: string;
          app_metadata?: string;
        };
      },
      Schemas['ListedUserPage'],
      Schemas['ListedUser']
    >;
    /** List users of one type by filter and order. `GET /api/users/by-type/{type}` */
    listUsersByType: ListCall<
      {
        path: { type: 'customer' | 'vendor' | 'admin' | 'auditor' };
        query?: {
          limit?: number;
          cursor?: string;
          order?: '-created' | 'created' | 'email' | '-email' | 'last_active' | '-last_active';
          count?: boolean;
          include?: string;
          status?: 'active' | 'inactive' | 'suspended' | 'pending';
          country?: string;
          created_from?: string;
          created_to?: string;
          last_active_from?: string;
          last_active_to?: string;
          ids?: string;
          email?: string;
          phone?: string;
          external_id?: string;
          user_metadata?: string;
          app_metadata?: string;
        };
      },
      Schemas['ListedUserPage'],
      Schemas['ListedUser']
    >;
    /** Find users by one box, the best first. `GET /api/users/search` */
    searchUsers: ListCall<
      { query: { q: string; limit?: number; cursor?: string } },
      Schemas['ListedUserPage'],
      Schemas['ListedUser']
    >;
    /**
     * Export all users, without passwords, in a form that an import takes. `GET
     * /api/users/export`
     */
    exportUsers: Call<
      { query?: { format?: 'ndjson' | 'csv' } },
      ReadableStream<Uint8Array<ArrayBuffer>>
    >;
    /** Get a user. `GET /api/users/{id}` */
    getUser: Call<{ path: { id: string }; query?: { include?: string } }, Schemas['ListedUser']>;
    /** Change a user. `PATCH /api/users/{id}` */
    updateUser: Call<
      { path: { id: string }; body: Schemas['UpdateUserRequest'] },
      Schemas['DirectoryUser']
    >;
    /** Delete a user: see the deletion plan for what goes. `DELETE /api/users/{id}` */
    deleteUser: Call<{ path: { id: string } }, undefined>;
    /**
     * Tell what the deletion of a user would end and erase. `GET
     * /api/users/{id}/deletion-plan`
     */
    getDeletionPlan: Call<{ path: { id: string } }, Schemas['GetDeletionPlanResponse']>;
    /** Change a user's status. `PATCH /api/users/{id}/status` */
    updateUserStatus: Call<
      { path: { id: string }; body: Schemas['UpdateUserStatusRequest'] },
      Schemas['DirectoryUser']
    >;
  };
  import: {
    /**
     * Import users from CSV or NDJSON and report what became of each row. `POST
     * /api/users/import`
     */
    importUsers: Call<
      { query?: { source?: 'muniment' | 'supabase' | 'auth0' | 'firebase' }; body: Blob },
      ReadableStream<Uint8Array<ArrayBuffer>>
    >;
  };
  seed004: {
    /** Create an account and sign in. `POST /api/v1/auth/register` */
    registerUser: Call<
      { body: Schemas['Seed004RegisterUserRequest'] },
      Schemas['Seed004RegisterUserResponse']
    >;
    /** Sign in by e-mail address and password. `POST /api/v1/auth/login` */
    logInUser: Call<
      { body: Schemas['Seed004LogInUserRequest'] },
      Schemas['Seed004LogInUserResponse']
    >;
    /** Get the caller. `GET /api/v1/auth/user` */
    getUser: Call<NoInput, Schemas['Seed004GetUserResponse']>;
    /** List the live sessions of the caller. `GET /api/v1/auth/user/active-sessions` */
    listActiveSessions: Call<NoInput, Schemas['Seed004ListActiveSessionsResponse']>;
    /** End one session of the caller. `POST /api/v1/auth/user/logout/{id}` */
    logOutSession: Call<{ path: { id: string } }, Schemas['Seed004LogOutSessionResponse']>;
  };
  files: {
    /** List the files of the caller. `GET /api/files` */
    listFiles: ListCall<
      { query?: { limit?: number; cursor?: string } },
      Schemas['File'][],
      Schemas['File']
    >;
    /** Get the name, size, type and hash of a file. `GET /api/files/{id}/metadata` */
    getFileMetadata: Call<{ path: { id: string } }, Schemas['File']>;
    /** Rename a file. `PATCH /api/files/{id}` */
    renameFile: Call<{ path: { id: string }; body: Schemas['RenameFileRequest'] }, Schemas['File']>;
    /** Delete a file. `DELETE /api/files/{id}` */
    deleteFile: Call<{ path: { id: string } }, undefined>;
  };
  uploads: {
    /** Upload a file as multipart/form-data. `POST /api/files` */
    uploadFile: Call<{ body: Schemas['UploadFileRequest'] }, Schemas['File']>;
  };
  downloads: {
    /** Download a file, or a range of it. `GET /api/files/{id}` */
    downloadFile: Call<{ path: { id: string } }, ReadableStream<Uint8Array<ArrayBuffer>>>;
    /** Download a file, or a range of it. `HEAD /api/files/{id}` */
    downloadFileHead: Call<{ path: { id: string } }, undefined>;
  };
  profileFiles: {
    /**
     * Download the logo of a vendor profile, by the id of the profile. `GET
     * /api/files/vendor-logos/{id}`
     */
    getVendorLogo: Call<{ path: { id: string } }, ReadableStream<Uint8Array<ArrayBuffer>>>;
    /**
     * Download the logo of a vendor profile, by the id of the profile. `HEAD
     * /api/files/vendor-logos/{id}`
     */
    getVendorLogoHead: Call<{ path: { id: string } }, undefined>;
    /**
     * Download the certificate of a vendor profile, as its vendor or an administrator. `GET
     * /api/files/vendor-certificates/{id}`
     */
    getVendorCertificate: Call<{ path: { id: string } }, ReadableStream<Uint8Array<ArrayBuffer>>>;
    /**
     * Download the certificate of a vendor profile, as its vendor or an administrator. `HEAD
     * /api/files/vendor-certificates/{id}`
     */
    getVendorCertificateHead: Call<{ path: { id: string } }, undefined>;
  };
  trail: {
    /** List the entries of the trail that the caller may read. `GET /api/audit/logs` */
    listLogs: ListCall<
      {
        query?: {
          actor?: string;
          action?: string;
          outcome?: 'success' | 'failure';
          resource?: string;
          resource_type?: string;
          session_id?: string;
          ip?: string;
          email?: string;
          request_id?: string;
          tenant_id?: string;
          source?: 'user' | 'file' | 'audit' | 'app';
          from?: string;
          to?: string;
          scope?: 'own';
          order?: 'log';
          after?: number;
          limit?: number;
          cursor?: string;
        };
      },
      Schemas['AuditLogEntry'][],
      Schemas['AuditLogEntry']
    >;
    /** Get one sealed entry of the trail. `GET /api/audit/logs/{id}` */
    getLog: Call<{ path: { id: string } }, Schemas['GetLogResponse']>;
  };
  proofs: {
    /** Prove that an entry is in the log as it was sealed. `GET /api/audit/logs/{id}/proof` */
    proveLog: Call<{ path: { id: string } }, Schemas['ProveLogResponse']>;
    /** Get the newest signed head of the log. `GET /api/audit/checkpoint` */
    getCheckpoint: Call<NoInput, string>;
    /**
     * Prove that the log of one checkpoint begins with the log of an earlier one. `GET
     * /api/audit/consistency`
     */
    proveConsistency: Call<
      { query: { from: number; to?: number } },
      Schemas['ProveConsistencyResponse']
    >;
    /** Get hashes of the tree. `GET /api/audit/tile/{level}/{path}` */
    getTile: Call<
      { path: { level: string; path: string } },
      ReadableStream<Uint8Array<ArrayBuffer>>
    >;
    /** Get the entries of a tile of the log. `GET /api/audit/tile/entries/{path}` */
    getEntryBundle: Call<{ path: { path: string } }, ReadableStream<Uint8Array<ArrayBuffer>>>;
  };
  export: {
    /** Export the entries of the trail that the caller may read. `GET /api/audit/export` */
    exportLogs: Call<
      {
        query?: {
          actor?: string;
          action?: string;
          outcome?: 'success' | 'failure';
          resource?: string;
          resource_type?: string;
          session_id?: string;
          ip?: string;
          email?: string;
          request_id?: string;
          tenant_id?: string;
          source?: 'user' | 'file' | 'audit' | 'app';
          from?: string;
          to?: string;
          format?: 'ndjson' | 'csv' | 'cloudevents' | 'ocsf';
          scope?: 'own';
          after?: number;
          limit?: number;
          cursor?: string;
        };
      },
      ReadableStream<Uint8Array<ArrayBuffer>>
    >;
  };
  live: {
    /** Stream the entries of the trail as they are sealed. `GET /api/audit/stream` */
    streamLogs: Call<
      {
        query?: {
          actor?: string;
          action?: string;
          outcome?: 'success' | 'failure';
          resource?: string;
          resource_type?: string;
          session_id?: string;
          ip?: string;
          email?: string;
          request_id?: string;
          tenant_id?: string;
          source?: 'user' | 'file' | 'audit' | 'app';
          from?: string;
          to?: string;
          scope?: 'own';
          after?: string;
          proof?: boolean;
        };
      },
      ReadableStream<Uint8Array<ArrayBuffer>>
    >;
  };
  appEvents: {
    /** Record one event or a batch of a customer's own events. `POST /api/audit/events` */
    recordEvents: Call<
      {
        body:
          | {
              /** The caller's id of the event. Within its tenant, the same id is the same event. */
              id: string;
              /** The customer's customer. Its viewers see the event. */
              tenant_id: string;
              /** As user.signed_in or USER_SIGNED_IN. The log has the second form. */
              action: string;
              outcome?: 'success' | 'failure';
              error?: string | null;
              actor?: {
                /** The caller's id of the person whose values these are. It stands in the sealed log. */
                id: string;
                /** For example user, api_key or system. */
                type?: string;
                /** Personal. */
                name?: string;
                /** Personal. */
                email?: string;
              } | null;
              /** What was acted upon. */
              resource?: string | null;
              /** The kind of the resource. */
              resource_type?: string | null;
              /** The time by the caller's clock. The event's timestamp is that of its arrival. */
              occurred_at?: string | null;
              metadata?: { [name: string]: unknown };
              /**
               * Values that identify a person. An erasure of their subject makes them unreadable. Values
               * of other names are shown in metadata.
               */
              personal?: {
                /** The caller's id of the person whose values these are. It stands in the sealed log. */
                subject?: string;
                email?: string | null;
                ip?: string | null;
                user_agent?: string | null;
                [name: string]: unknown;
              };
            }
          | {
              events: {
                /** The caller's id of the event. Within its tenant, the same id is the same event. */
                id: string;
                /** The customer's customer. Its viewers see the event. */
                tenant_id: string;
                /** As user.signed_in or USER_SIGNED_IN. The log has the second form. */
                action: string;
                outcome?: 'success' | 'failure';
                error?: string | null;
                actor?: {
                  /** The caller's id of the person whose values these are. It stands in the sealed log. */
                  id: string;
                  /** For example user, api_key or system. */
                  type?: string;
                  /** Personal. */
                  name?: string;
                  /** Personal. */
                  email?: string;
                } | null;
                /** What was acted upon. */
                resource?: string | null;
                /** The kind of the resource. */
                resource_type?: string | null;
                /** The time by the caller's clock. The event's timestamp is that of its arrival. */
                occurred_at?: string | null;
                metadata?: { [name: string]: unknown };
                /**
                 * Values that identify a person. An erasure of their subject makes them unreadable. Values
                 * of other names are shown in metadata.
                 */
                personal?: {
                  /** The caller's id of the person whose values these are. It stands in the sealed log. */
                  subject?: string;
                  email?: string | null;
                  ip?: string | null;
                  user_agent?: string | null;
                  [name: string]: unknown;
                };
              }[];
            };
      },
      Schemas['RecordEventsResponse'] | Schemas['RecordEventsResponse201']
    >;
  };
  erasure: {
    /** Erase the personal values of a tenant's subject. `POST /api/audit/erasures` */
    eraseSubject: Call<{ body: Schemas['EraseSubjectRequest'] }, undefined>;
  };
  viewerTokens: {
    /** Create a token for reading one tenant's events. `POST /api/audit/viewer-tokens` */
    createViewerToken: Call<
      { body: Schemas['CreateViewerTokenRequest'] },
      Schemas['CreateViewerTokenResponse']
    >;
    /** List the valid viewer tokens. `GET /api/audit/viewer-tokens` */
    listViewerTokens: ListCall<
      { query?: { limit?: number; cursor?: string; tenant_id?: string } },
      Schemas['ViewerTokenPage'],
      Schemas['ViewerToken']
    >;
    /** Revoke a viewer token. `DELETE /api/audit/viewer-tokens/{id}` */
    revokeViewerToken: Call<{ path: { id: string } }, undefined>;
  };
  quarantine: {
    /** List the records in quarantine. `GET /api/audit/quarantine` */
    listQuarantine: ListCall<
      {
        query?: {
          limit?: number;
          cursor?: string;
          reason?: 'unreadable' | 'forged' | 'contradiction' | 'refused';
          replayed?: 'true' | 'false';
        };
      },
      Schemas['QuarantinedRecord'][],
      Schemas['QuarantinedRecord']
    >;
    /** Store one quarantined record in the log. `POST /api/audit/quarantine/{id}/replay` */
    replayRecord: Call<{ path: { id: string } }, Schemas['QuarantineReplay']>;
    /** Store the newest quarantined records in the log. `POST /api/audit/quarantine/replay` */
    replayQuarantine: Call<
      { body: Schemas['ReplayQuarantineRequest'] },
      Schemas['ReplayQuarantineResponse']
    >;
  };
  completeness: {
    /** Report whether every acknowledged event is in the trail. `GET /api/audit/completeness` */
    getCompleteness: Call<NoInput, Schemas['GetCompletenessResponse']>;
    /**
     * Declare numbers lost whose events exist nowhere any more. `POST
     * /api/audit/holes/declare-lost`
     */
    declareLost: Call<{ body: Schemas['DeclareLostRequest'] }, Schemas['DeclareLostResponse']>;
  };
  webhooks: {
    /** Create a webhook. `POST /api/audit/webhooks` */
    createWebhook: Call<
      { body: Schemas['CreateWebhookRequest'] },
      Schemas['CreateWebhookResponse']
    >;
    /** List the webhooks. `GET /api/audit/webhooks` */
    listWebhooks: ListCall<NoInput, Schemas['WebhookList'], Schemas['Webhook']>;
    /** Get a webhook without its secret. `GET /api/audit/webhooks/{id}` */
    getWebhook: Call<{ path: { id: string } }, Schemas['Webhook']>;
    /** Change a webhook. `PATCH /api/audit/webhooks/{id}` */
    updateWebhook: Call<
      { path: { id: string }; body: Schemas['UpdateWebhookRequest'] },
      Schemas['Webhook']
    >;
    /** Delete a webhook with its deliveries. `DELETE /api/audit/webhooks/{id}` */
    deleteWebhook: Call<{ path: { id: string } }, undefined>;
    /** Replace the secret of a webhook. `POST /api/audit/webhooks/{id}/secret` */
    rotateWebhookSecret: Call<{ path: { id: string } }, Schemas['RotateWebhookSecretResponse']>;
    /** Send a test message to a webhook. `POST /api/audit/webhooks/{id}/test` */
    testWebhook: Call<{ path: { id: string } }, Schemas['TestWebhookResponse']>;
    /**
     * List the pending and dead deliveries of a webhook. `GET
     * /api/audit/webhooks/{id}/deliveries`
     */
    listWebhookDeliveries: ListCall<
      {
        path: { id: string };
        query?: { status?: 'pending' | 'dead'; limit?: number; cursor?: string };
      },
      Schemas['WebhookDeliveryPage'],
      Schemas['WebhookDelivery']
    >;
    /** Retry a delivery at once. `POST /api/audit/webhooks/{id}/deliveries/{delivery_id}/retry` */
    retryWebhookDelivery: Call<
      { path: { id: string; delivery_id: string } },
      Schemas['WebhookDelivery']
    >;
  };
}
