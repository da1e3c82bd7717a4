/** URL parsers drop some of these characters, and a page could break out of an attribute. */
const SHAPE = /^https?:\/\/[^\s"'<>\\^`{|}\p{Cc}\p{Cf}]+$/iu;

/** Whether it is the address of a web page, by http or https and a domain name. */
export function isWebsite(typed: string): boolean {
  if (!SHAPE.test(typed) || !URL.canParse(typed)) return false;
  const { hostname, username, password } = new URL(typed);
  // A name before an @ disguises the host behind it.
  return username === '' && password === '' && /\.[a-z][a-z0-9-]*[a-z0-9]$/.test(hostname);
}
