import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { createUser } from './create-user.ts';
import { deleteUser } from './delete-user.ts';
import { exportUsers } from './export-users.ts';
import { getDeletionPlan } from './get-deletion-plan.ts';
import { getUser } from './get-user.ts';
import { listUsersByType } from './list-users-by-type.ts';
import { listUsers } from './list-users.ts';
import { listVendors } from './list-vendors.ts';
import { searchUsers } from './search-users.ts';
import { updateUser } from './update-user.ts';
import { updateUserStatus } from './update-user-status.ts';

/** All users, for administrators; auditors may read. */
export const directory = defineFeature<UserContext>({
  administrators: [
    listUsers,
    listVendors,
    listUsersByType,
    searchUsers,
    exportUsers,
    getUser,
    getDeletionPlan,
    createUser,
    updateUser,
    updateUserStatus,
    deleteUser,
  ],
});
