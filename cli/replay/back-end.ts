import type { DmaError, MapChange } from '../../streams/index.js';
import type { VhostUserConnection, VhostUserTarget } from '../../targets/index.js';

/** A process that shares the guest's memory. Only a driver in the guest can make it do DMA: the check cannot. */
export interface BackEnd {
  /** Why it is gone; `undefined` as long as it is not known to be. */
  readonly gone: DmaError | undefined;
  /** Whether it has the memory of a mapping. */
  shares(mapping: MapChange): boolean;
  /** Resolves when it has answered a request, and therefore has processed everything before; or when it is gone. */
  proveAlive(): Promise<void>;
}

/** What is known of a back end after the last commit. */
export interface BackEndCheck {
  readonly target: string;
  /** How many mappings it shares, of how many there are. */
  readonly shared: number;
  readonly of: number;
  /** Whether it has answered a request after the last commit. */
  readonly answered: boolean;
}

/** A request without an effect that every back end answers. */
const GET_FEATURES = 1;

export class ConnectedBackEnd implements BackEnd {
  readonly #connection: VhostUserConnection;
  readonly #target: VhostUserTarget;
  #gone: DmaError | undefined;

  constructor(connection: VhostUserConnection, target: VhostUserTarget) {
    this.#connection = connection;
    this.#target = target;
    connection.closed$.subscribe({
      next: (error) => {
        this.#gone = error;
      },
      // It never errors.
      error: () => undefined,
    });
  }

  get gone(): DmaError | undefined {
    return this.#gone;
  }

  shares({ range }: MapChange): boolean {
    return this.#target.userAddressOf(range.start) !== undefined;
  }

  async proveAlive(): Promise<void> {
    try {
      await this.#connection.request(GET_FEATURES);
    } catch (error) {
      if (this.#gone === undefined) {
        throw error;
      }
    }
  }
}
