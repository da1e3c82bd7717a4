import { until } from '@muniment/testing';
import { PASSWORD, type SignedIn, type TestServer } from '../build.ts';

/** The seed document's request, without its `user_id`, which is a number there. */
export const TECH = {
  business_type: 'Technology',
  business_name: 'Tech Solutions Inc.',
  company_name: 'Tech Solutions LLC',
  contact_person: 'John Doe',
  designation: 'CEO',
  country: 'United States',
  city: 'New York',
  website: 'https://techsolutions.com',
  employee_count: 50,
  establishment: 2020,
};

export interface Profile {
  id: string;
  user_id: string;
  business_name: string;
  [name: string]: unknown;
}

let users = 0;

/** Makes users and profiles of one test server, each with an address of its own. */
export function createVendors(server: TestServer) {
  async function newUser(type: 'vendor' | 'customer' = 'vendor'): Promise<SignedIn> {
    users += 1;
    const body = { email: `vendor-${users}@example.com`, password: PASSWORD, type };
    const answer = await server.call('POST', '/api/users/register', { body });
    if (answer.statusCode !== 201) throw new Error(answer.body);
    return answer.json<SignedIn>();
  }

  /** Makes a user of a type that nobody can register. */
  async function newPrivileged(type: 'admin' | 'auditor'): Promise<SignedIn> {
    const made = await newUser('customer');
    await server.rows('update identity.users set type = $2 where id = $1', [made.user.id, type]);
    const { revocations } = server.context.auth;
    await until(() => revocations.userChangedAt(made.user.id) !== undefined);
    return made;
  }

  async function newProfile(owner: SignedIn, body: object = {}): Promise<Profile> {
    const answer = await server.call('POST', '/api/vendor-profiles', {
      token: owner.token,
      body: { business_type: 'Technology', business_name: 'Acme', ...body },
    });
    if (answer.statusCode !== 201) throw new Error(answer.body);
    return answer.json<Profile>();
  }

  return { newUser, newPrivileged, newProfile };
}
