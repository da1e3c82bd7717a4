/** A bound on what runs at once. */
export interface Gate {
  /** @returns what gives the place back, once however often it is called; undefined when there is none */
  enter(): (() => void) | undefined;
}

export function createGate(places: number): Gate {
  let taken = 0;
  return {
    enter() {
      if (taken >= places) return undefined;
      taken += 1;
      let left = false;
      return () => {
        if (left) return;
        left = true;
        taken -= 1;
      };
    },
  };
}
