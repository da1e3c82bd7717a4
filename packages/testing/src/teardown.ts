/** The part of a tap test that cleans up after it. */
export interface Teardown {
  teardown(end: () => unknown): void;
}
