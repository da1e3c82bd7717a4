/** The fields that name a file, each with the media types that it may have, by its bytes. */
export const FILE_TYPES = {
  logo: ['image/png', 'image/jpeg', 'image/webp'],
  business_registration_certificate: ['image/png', 'image/jpeg', 'image/webp', 'application/pdf'],
} as const satisfies Record<string, readonly string[]>;

export type FileField = keyof typeof FILE_TYPES;

export const FILE_FIELDS = Object.keys(FILE_TYPES) as readonly FileField[];

/** The fields as forms name their files, by both spellings. */
export const FORM_FILE_TYPES: Readonly<Record<string, readonly string[]>> = {
  ...FILE_TYPES,
  businessRegistrationCertificate: FILE_TYPES.business_registration_certificate,
};
