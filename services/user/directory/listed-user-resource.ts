import { Type, type Static } from 'typebox';
import { nullable } from '@muniment/server';
import { directoryUserSchema } from '../users/directory-resource.ts';
import { vendorProfileSchema } from '../vendor-profiles/profile/vendor-profile-resource.ts';

/** A user of the directory with what a query includes. */
export const listedUserSchema = Type.Object({
  ...directoryUserSchema.properties,
  vendor_profile: Type.Optional(nullable(vendorProfileSchema)),
});

export type ListedUser = Static<typeof listedUserSchema>;
