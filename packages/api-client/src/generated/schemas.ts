// Made by `make documents` from docs/openapi.json. Do not edit.

/** The components of the document, by name. */
export interface Schemas {
  ApiToken: {
    id: string;
    user_id: string;
    name: string;
    scopes: string[];
    allowed_ips: string[];
    created: string;
    expires_at: string;
    last_used_at: string | null;
    last_used_ip: string | null;
    ip: string | null;
    user_agent: string | null;
    client: { browser: string | null; os: string | null; device: string | null };
  };
  ApiTokenPage: { data: Schemas['ApiToken'][]; next_cursor: string | null };
  AuditLogEntry: {
    index: number;
    id: string;
    user_id: string | null;
    action: string;
    outcome: 'success' | 'failure';
    resource: string | null;
    resource_type: string | null;
    ip: string | null;
    user_agent: string | null;
    email: string | null;
    metadata: { [name: string]: unknown };
    error: string | null;
    session_id: string | null;
    request_id: string;
    traceparent: string | null;
    tenant_id: string | null;
    source: string;
    lane: number;
    seq: number;
    timestamp: string;
    version: number;
  };
  ChangeEmailRequest: { email: string; password: string };
  ChangeEmailResponse: { status: 'accepted' };
  ChangePasswordRequest: { current_password: string; new_password: string };
  ConfirmEmailRequest: { token: string };
  CreateApiTokenRequest: {
    name: string;
    scopes: string[];
    /** Seconds; seven days when absent. */
    expires_in?: number;
    /** Addresses or CIDR ranges; any address when empty. */
    allowed_ips?: string[];
    /** A service account, for administrators. */
    user_id?: string;
  };
  CreateApiTokenResponse: {
    id: string;
    user_id: string;
    name: string;
    scopes: string[];
    allowed_ips: string[];
    created: string;
    expires_at: string;
    last_used_at: string | null;
    last_used_ip: string | null;
    ip: string | null;
    user_agent: string | null;
    client: { browser: string | null; os: string | null; device: string | null };
    token: string;
  };
  CreateServiceAccountRequest: {
    name: string;
    /** Bounds the scopes of its tokens. */
    type: 'customer' | 'vendor' | 'admin';
  };
  CreateUserRequest: {
    type?: 'customer' | 'vendor' | 'admin' | 'auditor';
    email?: string;
    name?: string | null;
    first_name?: string | null;
    last_name?: string | null;
    phone?: string | null;
    post_code?: string | null;
    country?: string | null;
    city?: string | null;
    external_id?: string | null;
    aws_cognito_id?: string | null;
    /** A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays. */
    app_metadata?: { [name: string]: unknown } | null;
    is_profile_updated?: boolean;
    is_profile_reverified?: boolean;
    /** false: no mail; forgot-password sets the first password. */
    invite?: boolean;
    firstName?: string | null;
    lastName?: string | null;
    postCode?: string | null;
    externalId?: string | null;
    awsCognitoId?: string | null;
    /** A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays. */
    appMetadata?: { [name: string]: unknown } | null;
    isProfileUpdated?: boolean;
    isProfileReverified?: boolean;
  };
  CreateVendorProfileRequest: {
    /** For administrators: the vendor. Absent, it is the caller. */
    user_id?: string;
    /** A new profile needs it. As `Technology`. */
    business_type?: string;
    /** A new profile needs it. */
    business_name?: string;
    company_name?: string | null;
    contact_person?: string | null;
    designation?: string | null;
    /** An ISO 3166 code, an ISO name or an English name. */
    country?: string | null;
    city?: string | null;
    /** By http or https, of a domain name. */
    website?: string | null;
    /** In India it is checked with its check digit. */
    gst_number?: string | null;
    address?: string | null;
    company_details?: string | null;
    /** With + and the country code. */
    whatsapp_number?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    working_days?: string | string[] | null;
    employee_count?: number | null;
    /** A list, or a text with commas. */
    payment_mode?: string | string[] | null;
    establishment?: number | null;
    logo?: string | null;
    business_registration_certificate?: string | null;
    /** For administrators: the vendor. Absent, it is the caller. */
    userId?: string;
    /** A new profile needs it. As `Technology`. */
    businessType?: string;
    /** A new profile needs it. */
    businessName?: string;
    companyName?: string | null;
    contactPerson?: string | null;
    /** In India it is checked with its check digit. */
    gstNumber?: string | null;
    companyDetails?: string | null;
    /** With + and the country code. */
    whatsappNumber?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    workingDays?: string | string[] | null;
    employeeCount?: number | null;
    /** A list, or a text with commas. */
    paymentMode?: string | string[] | null;
    businessRegistrationCertificate?: string | null;
  };
  CreateViewerTokenRequest: {
    /** The customer's customer. Its viewers see the event. */
    tenant_id: string;
    /** Seconds. */
    expires_in?: number;
  };
  CreateViewerTokenResponse: {
    id: string;
    tenant_id: string;
    created_by: string;
    created: string;
    expires_at: string;
    token: string;
  };
  CreateWebhookRequest: {
    url: string;
    description?: string | null;
    /** Actions to deliver, or their beginnings followed by *. An empty list means all. */
    actions?: string[];
    tenant_id?: string | null;
    /** Whether e-mail, address, user agent and other personal values are sent. */
    include_personal?: boolean;
    after?: number;
  };
  CreateWebhookResponse: {
    id: string;
    url: string;
    description: string | null;
    actions: string[];
    tenant_id: string | null;
    include_personal: boolean;
    enabled: boolean;
    disabled_reason: string | null;
    /** The log up to this index is delivered, or waits in the deliveries. */
    position: number;
    /** Failed attempts since the last successful one. */
    failures: number;
    failing_since: string | null;
    created: string;
    updated: string;
    secret: string;
  };
  DeclareLostRequest: {
    source: 'user' | 'file' | 'audit' | 'app';
    lane: number;
    from: number;
    to: number;
  };
  DeclareLostResponse: {
    source: 'user' | 'file' | 'audit' | 'app';
    lane: number;
    from: number;
    to: number;
    event_id: string;
    declared_at: string;
  };
  DeleteAccountRequest: { password: string };
  DirectoryUser: {
    id: string;
    type: 'customer' | 'vendor' | 'admin' | 'auditor';
    status: 'active' | 'inactive' | 'suspended' | 'pending';
    email: string;
    name: string | null;
    first_name: string | null;
    last_name: string | null;
    /** In E.164 form. */
    phone: string | null;
    /** False: the number cannot exist, so it gets no message. */
    phone_valid: boolean | null;
    post_code: string | null;
    /** As it was sent. */
    country: string | null;
    /** ISO 3166-1 alpha-2. */
    country_code: string | null;
    city: string | null;
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    user_metadata?: { [name: string]: unknown };
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    app_metadata?: { [name: string]: unknown };
    aws_cognito_id: string | null;
    external_id: string | null;
    is_verified: boolean;
    verified_at: string | null;
    email_verified_at: string | null;
    phone_verified_at: string | null;
    is_profile_updated: boolean;
    is_profile_reverified: boolean;
    profile_reverified_at: string | null;
    /** A day in UTC. */
    last_active_on: string | null;
    created_by: string | null;
    updated_by: string | null;
    created: string;
    updated: string;
    created_at: string;
    updated_at: string;
  };
  EndOtherSessionsResponse: { ended: number };
  EraseSubjectRequest: {
    /** The customer's customer. Its viewers see the event. */
    tenant_id: string;
    /** The caller's id of the person whose values these are. It stands in the sealed log. */
    subject: string;
  };
  File: {
    id: string;
    user_id: string;
    name: string;
    /** Bytes. */
    size: number;
    /** By the bytes; the client is not trusted. */
    mime_type: string;
    sha256: string | null;
    etag: string;
    scan_status: 'unscanned' | 'clean' | 'infected' | 'failed';
    created: string;
    updated: string;
  };
  ForgotPasswordRequest: { email: string; device_token?: string };
  ForgotPasswordResponse: { status: 'accepted' };
  GetCompletenessResponse: {
    complete: boolean;
    alarms: { code: string; incomplete: boolean; detail: string }[];
    checked_at: string;
    sources: {
      source: string;
      assigned: number;
      missing: number;
      duplicates: number;
      outbox: { rows: number; oldest_seconds: number } | null;
      lanes: {
        lane: number;
        /** All numbers up to this one are stored. */
        watermark: number;
        /** The highest number that the source has given. */
        assigned: number;
        /** Numbers that were given and are not stored. */
        missing: number;
        /** Records dismissed because their event was stored already. */
        duplicates: number;
        holes: {
          from: number;
          to: number;
          first_seen: string;
          age_seconds: number;
          /** How many of these numbers the outbox still holds and will send again. */
          in_outbox: number;
        }[];
        /** Numbers that count as stored and are not in the log: an operator has given them up. */
        declared_lost: { from: number; to: number; event_id: string; declared_at: string }[];
      }[];
    }[];
    stream: {
      name: string;
      lag_ms: number | null;
      shards: {
        shard_id: string;
        holder: string | null;
        lag_ms: number | null;
        read_at: string | null;
        unread_seconds: number | null;
        readable: boolean;
      }[];
      losses: { kind: string; shard_id: string | null; noticed_at: string }[];
    };
    quarantine: {
      records: number;
      /** Counted as received and not in the log: the trail lacks these until they are replayed. */
      events_missing: number;
      last_received_at: string | null;
    };
    reconciliation: {
      checked_until: string | null;
      swept_at: string | null;
      unverifiable_rows: number;
      differences: { kind: string; row_type: string; row_id: string; first_seen: string }[];
    };
    log: {
      /** The last index that the log has given. */
      last_index: number | null;
      /** Numbers that are stored and not sealed. */
      unsealed: number;
      oldest_unsealed_seconds: number;
      checkpoint: { size: number; created_at: string } | null;
    };
  };
  GetDeletionPlanResponse: {
    user_id: string;
    /** Ends or goes with the account, in the transaction of the deletion. */
    at_once: { sessions: number; api_tokens: number; unsent_mails: number };
    /** What the other services erase within seconds. */
    erased: { files: string; trail: string };
  };
  GetHealthResponse: { status: 'healthy'; timestamp: string };
  GetJwksResponse: {
    keys: { kty: string; crv: string; x: string; kid: string; alg: string; use: string }[];
  };
  GetLogResponse: {
    index: number;
    id: string;
    user_id: string | null;
    action: string;
    outcome: 'success' | 'failure';
    resource: string | null;
    resource_type: string | null;
    ip: string | null;
    user_agent: string | null;
    email: string | null;
    metadata: { [name: string]: unknown };
    error: string | null;
    session_id: string | null;
    request_id: string;
    traceparent: string | null;
    tenant_id: string | null;
    source: string;
    lane: number;
    seq: number;
    timestamp: string;
    version: number;
  };
  IntrospectTokenRequest: { token: string; token_type_hint?: string };
  IntrospectTokenResponse: {
    active: boolean;
    scope?: string;
    token_type?: string;
    kind?: string;
    sub?: string;
    role?: string;
    iss?: string;
    aud?: string;
    sid?: string;
    jti?: string;
    iat?: number;
    exp?: number;
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    app_metadata?: { [name: string]: unknown };
    allowed_ips?: string[];
  };
  ListedUser: {
    id: string;
    type: 'customer' | 'vendor' | 'admin' | 'auditor';
    status: 'active' | 'inactive' | 'suspended' | 'pending';
    email: string;
    name: string | null;
    first_name: string | null;
    last_name: string | null;
    /** In E.164 form. */
    phone: string | null;
    /** False: the number cannot exist, so it gets no message. */
    phone_valid: boolean | null;
    post_code: string | null;
    /** As it was sent. */
    country: string | null;
    /** ISO 3166-1 alpha-2. */
    country_code: string | null;
    city: string | null;
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    user_metadata?: { [name: string]: unknown };
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    app_metadata?: { [name: string]: unknown };
    aws_cognito_id: string | null;
    external_id: string | null;
    is_verified: boolean;
    verified_at: string | null;
    email_verified_at: string | null;
    phone_verified_at: string | null;
    is_profile_updated: boolean;
    is_profile_reverified: boolean;
    profile_reverified_at: string | null;
    /** A day in UTC. */
    last_active_on: string | null;
    created_by: string | null;
    updated_by: string | null;
    created: string;
    updated: string;
    created_at: string;
    updated_at: string;
    vendor_profile?: Schemas['VendorProfile'] | null;
  };
  ListedUserPage: {
    data: Schemas['ListedUser'][];
    next_cursor: string | null;
    count?: { count: number; relation: 'exact' | 'at_least' };
  };
  LogInUserRequest: { email: string; password: string; device_token?: string };
  /** An error (RFC 9457). `code` is stable; `detail` is for people. */
  Problem: {
    type: string;
    title: string;
    status: number;
    detail: string;
    code: string;
    /** Also in X-Request-Id, the logs and the trail. */
    request_id: string;
    /** The faults of a request that does not fit its schema. */
    errors?: {
      /** A JSON Pointer into the body or the request. */
      pointer: string;
      message: string;
    }[];
  };
  ProveConsistencyResponse: { old: string; new: string; hashes: string[] };
  ProveLogResponse: {
    checkpoint: string;
    index: number;
    tree_size: number;
    hashes: string[];
    leaf: string | null;
  };
  QuarantineReplay: {
    id: string;
    event_id: string;
    /** known: the log had the event already. */
    outcome: 'stored' | 'known';
    replayed_at: string;
  };
  QuarantinedRecord: {
    id: string;
    reason: string;
    detail: string;
    stream: string;
    shard_id: string;
    sequence_number: string;
    received_at: string;
    size: number;
    /** Its number counts as received: the trail lacks this event until a replay. */
    counted: boolean;
    /** The beginning of the record, base64. */
    bytes: string;
    truncated: boolean;
    event: {
      id: string;
      source: string;
      lane: number;
      seq: number;
      version: number;
      action: string;
      outcome: string;
      timestamp: string;
      user_id: string | null;
      resource: string | null;
      resource_type: string | null;
      request_id: string;
    } | null;
    replay: { outcome: string; replayed_at: string; replayed_by: string | null } | null;
  };
  RecordEventsResponse: {
    data: { id: string; event_id: string; status: 'created' | 'duplicate' }[];
  };
  RecordEventsResponse201: {
    data: { id: string; event_id: string; status: 'created' | 'duplicate' }[];
  };
  RefreshSessionRequest: { refresh_token: string };
  RefreshSessionResponse: {
    token?: string;
    refresh_token?: string;
    expires_in: number;
    session_id: string;
  };
  RegisterUserRequest: {
    email: string;
    password: string;
    name?: string;
    first_name?: string;
    last_name?: string;
    type?: 'customer' | 'vendor';
  };
  RenameFileRequest: { name: string };
  ReplayQuarantineRequest: { reason?: 'unreadable' | 'refused' | 'contradiction'; limit?: number };
  ReplayQuarantineResponse: {
    replayed: Schemas['QuarantineReplay'][];
    failed: { id: string; code: string; detail: string }[];
  };
  ResetPasswordRequest: { token: string; password: string };
  RotateWebhookSecretResponse: { secret: string; previous_valid_until: string };
  Seed004Failure: { success: false; message: string };
  Seed004GetUserResponse: {
    success: true;
    email: string;
    firstname: string | null;
    lastname: string | null;
  };
  Seed004ListActiveSessionsResponse: {
    success: true;
    activeSessions: { _id: string; source: string; ip: string; loginInfo: string; date: string }[];
  };
  Seed004LogInUserRequest: { email: string; password: string };
  Seed004LogInUserResponse: {
    success: true;
    sessionData: { loginInfo: string; secure: string; clientId: string };
    quote: string;
  };
  Seed004LogOutSessionResponse: { success: true };
  Seed004RegisterUserRequest: {
    email: string;
    firstname: string;
    lastname: string;
    password: string;
  };
  Seed004RegisterUserResponse: {
    success: true;
    userData: { email: string; firstname: string; lastname: string };
    sessionData: { loginInfo: string; secure: string; clientId: string };
    quote: string;
  };
  ServiceAccount: {
    id: string;
    name: string | null;
    type: string;
    status: string;
    created: string;
  };
  ServiceAccountPage: { data: Schemas['ServiceAccount'][]; next_cursor: string | null };
  Session: {
    id: string;
    created: string;
    last_seen: string;
    expires_at: string;
    ip: string | null;
    user_agent: string | null;
    client: { browser: string | null; os: string | null; device: string | null };
    current: boolean;
  };
  SessionPage: { data: Schemas['Session'][]; next_cursor: string | null };
  SignedIn: {
    user: Schemas['User'];
    token?: string;
    refresh_token?: string;
    expires_in: number;
    session_id: string;
    device_token?: string;
  };
  TestWebhookResponse: {
    /** The webhook-id of the message. */
    id: string;
    /** Whether the answer was a 2xx. */
    delivered: boolean;
    status: number | null;
    error: string | null;
    duration_ms: number;
  };
  UpdateProfileFilesRequest: {
    logo?: string | null;
    business_registration_certificate?: string | null;
    businessRegistrationCertificate?: string | null;
  };
  UpdateProfileRequest: {
    name?: string | null;
    first_name?: string | null;
    last_name?: string | null;
    /** A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays. */
    user_metadata?: { [name: string]: unknown } | null;
  };
  UpdateUserRequest: {
    type?: 'customer' | 'vendor' | 'admin' | 'auditor';
    email?: string;
    name?: string | null;
    first_name?: string | null;
    last_name?: string | null;
    phone?: string | null;
    post_code?: string | null;
    country?: string | null;
    city?: string | null;
    external_id?: string | null;
    aws_cognito_id?: string | null;
    /** A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays. */
    app_metadata?: { [name: string]: unknown } | null;
    is_profile_updated?: boolean;
    is_profile_reverified?: boolean;
    firstName?: string | null;
    lastName?: string | null;
    postCode?: string | null;
    externalId?: string | null;
    awsCognitoId?: string | null;
    /** A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays. */
    appMetadata?: { [name: string]: unknown } | null;
    isProfileUpdated?: boolean;
    isProfileReverified?: boolean;
  };
  UpdateUserStatusRequest: {
    status: 'active' | 'inactive' | 'suspended' | 'pending';
    reason?: string;
  };
  UpdateVendorProfileRequest: {
    /** A new profile needs it. As `Technology`. */
    business_type?: string;
    /** A new profile needs it. */
    business_name?: string;
    company_name?: string | null;
    contact_person?: string | null;
    designation?: string | null;
    /** An ISO 3166 code, an ISO name or an English name. */
    country?: string | null;
    city?: string | null;
    /** By http or https, of a domain name. */
    website?: string | null;
    /** In India it is checked with its check digit. */
    gst_number?: string | null;
    address?: string | null;
    company_details?: string | null;
    /** With + and the country code. */
    whatsapp_number?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    working_days?: string | string[] | null;
    employee_count?: number | null;
    /** A list, or a text with commas. */
    payment_mode?: string | string[] | null;
    establishment?: number | null;
    logo?: string | null;
    business_registration_certificate?: string | null;
    /** A new profile needs it. As `Technology`. */
    businessType?: string;
    /** A new profile needs it. */
    businessName?: string;
    companyName?: string | null;
    contactPerson?: string | null;
    /** In India it is checked with its check digit. */
    gstNumber?: string | null;
    companyDetails?: string | null;
    /** With + and the country code. */
    whatsappNumber?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    workingDays?: string | string[] | null;
    employeeCount?: number | null;
    /** A list, or a text with commas. */
    paymentMode?: string | string[] | null;
    businessRegistrationCertificate?: string | null;
  };
  UpdateWebhookRequest: {
    url?: string;
    description?: string | null;
    /** Actions to deliver, or their beginnings followed by *. An empty list means all. */
    actions?: string[];
    tenant_id?: string | null;
    /** Whether e-mail, address, user agent and other personal values are sent. */
    include_personal?: boolean;
    enabled?: boolean;
  };
  UploadFileRequest: {
    /** The file. */
    file: Blob;
  };
  User: {
    id: string;
    email: string;
    name: string | null;
    first_name: string | null;
    last_name: string | null;
    type: string;
    status: string;
    is_verified: boolean;
    email_verified_at: string | null;
    phone: string | null;
    phone_verified_at: string | null;
    post_code: string | null;
    country: string | null;
    city: string | null;
    /** A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes. */
    user_metadata: { [name: string]: unknown };
    created: string;
    updated: string;
  };
  VendorProfile: {
    id: string;
    user_id: string;
    business_type: string;
    business_name: string;
    company_name: string | null;
    contact_person?: string | null;
    designation?: string | null;
    country: string | null;
    country_code: string | null;
    city: string | null;
    website: string | null;
    business_registration_certificate?: string | null;
    gst_number?: string | null;
    address?: string | null;
    company_details: string | null;
    whatsapp_number?: string | null;
    logo: string | null;
    working_days: string[];
    employee_count: number | null;
    payment_mode: string[];
    establishment: number | null;
    created_by?: string | null;
    updated_by?: string | null;
    created: string;
    updated: string;
    created_at: string;
    updated_at: string;
  };
  VendorProfilePage: { data: Schemas['VendorProfile'][]; next_cursor: string | null };
  VendorProfilesCreateVendorProfileRequest: {
    /** For administrators: the vendor. Absent, it is the caller. */
    user_id?: string;
    /** A new profile needs it. As `Technology`. */
    business_type?: string;
    /** A new profile needs it. */
    business_name?: string;
    company_name?: string | null;
    contact_person?: string | null;
    designation?: string | null;
    /** An ISO 3166 code, an ISO name or an English name. */
    country?: string | null;
    city?: string | null;
    /** By http or https, of a domain name. */
    website?: string | null;
    /** In India it is checked with its check digit. */
    gst_number?: string | null;
    address?: string | null;
    company_details?: string | null;
    /** With + and the country code. */
    whatsapp_number?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    working_days?: string | string[] | null;
    employee_count?: number | null;
    /** A list, or a text with commas. */
    payment_mode?: string | string[] | null;
    establishment?: number | null;
    /** A PNG, JPEG or WebP image. */
    logo?: Blob;
    /** A PDF, PNG, JPEG or WebP file. */
    business_registration_certificate?: Blob;
  };
  VendorProfilesUpdateProfileFilesRequest: {
    /** A PNG, JPEG or WebP image. */
    logo?: Blob;
    /** A PDF, PNG, JPEG or WebP file. */
    business_registration_certificate?: Blob;
  };
  VendorProfilesUpdateVendorProfileRequest: {
    /** A new profile needs it. As `Technology`. */
    business_type?: string;
    /** A new profile needs it. */
    business_name?: string;
    company_name?: string | null;
    contact_person?: string | null;
    designation?: string | null;
    /** An ISO 3166 code, an ISO name or an English name. */
    country?: string | null;
    city?: string | null;
    /** By http or https, of a domain name. */
    website?: string | null;
    /** In India it is checked with its check digit. */
    gst_number?: string | null;
    address?: string | null;
    company_details?: string | null;
    /** With + and the country code. */
    whatsapp_number?: string | null;
    /** English names of days: a list, or a text such as `Mon - Fri`. */
    working_days?: string | string[] | null;
    employee_count?: number | null;
    /** A list, or a text with commas. */
    payment_mode?: string | string[] | null;
    establishment?: number | null;
    /** A PNG, JPEG or WebP image. */
    logo?: Blob;
    /** A PDF, PNG, JPEG or WebP file. */
    business_registration_certificate?: Blob;
  };
  ViewerToken: {
    id: string;
    tenant_id: string;
    created_by: string;
    created: string;
    expires_at: string;
  };
  ViewerTokenPage: { data: Schemas['ViewerToken'][]; next_cursor: string | null };
  Webhook: {
    id: string;
    url: string;
    description: string | null;
    actions: string[];
    tenant_id: string | null;
    include_personal: boolean;
    enabled: boolean;
    disabled_reason: string | null;
    /** The log up to this index is delivered, or waits in the deliveries. */
    position: number;
    /** Failed attempts since the last successful one. */
    failures: number;
    failing_since: string | null;
    created: string;
    updated: string;
  };
  WebhookDelivery: {
    /** The id of the event, and of every attempt (webhook-id). */
    id: string;
    index: number;
    status: string;
    attempts: number;
    next_attempt_at: string | null;
    last_attempt_at: string | null;
    last_status: number | null;
    last_error: string | null;
    created: string;
  };
  WebhookDeliveryPage: { data: Schemas['WebhookDelivery'][]; next_cursor: string | null };
  WebhookList: { data: Schemas['Webhook'][]; next_cursor: null };
}
