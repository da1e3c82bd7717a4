import { ValidationFailed } from '../../errors.ts';

/** A value that its schema allows and its meaning does not, e.g. a country that does not exist. */
export interface FieldFault {
  /** JSON Pointer of the value; those of a path or query begin with `/params` or `/querystring`. */
  pointer: string;
  message: string;
}

/** Refuses values as a schema does: 400 `validation_failed`, with a pointer to each of them. */
export class InvalidFields extends ValidationFailed {
  readonly faults: readonly FieldFault[];

  constructor(faults: readonly FieldFault[]) {
    const describe = ({ pointer, message }: FieldFault): string => `${pointer} ${message}`;
    super(faults.map(describe).join(', '));
    this.faults = faults;
  }
}
