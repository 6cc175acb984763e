import type { GuestMemory, KvmVcpu } from 'dma-streams/binding';
import { SAY_PORT, sendLetter } from './guest-code.js';

/** A device with registers: what they contain, by guest physical address. */
export type ReadRegister = (address: bigint) => number | undefined;

/** The guest on its vCPU. Answers its exits, and hears what it says. */
export class Guest {
  readonly #vcpu: KvmVcpu;
  readonly #memory: GuestMemory;
  readonly #readRegister: ReadRegister;
  #running: Promise<unknown> = Promise.resolve();
  /** Present while it is paused. */
  #resumed: Promise<void> | undefined;
  #resume: (() => void) | undefined;
  #isStopped = false;
  #text = '';
  #hear: ((text: string) => void) | undefined;

  constructor(vcpu: KvmVcpu, memory: GuestMemory, readRegister: ReadRegister) {
    this.#vcpu = vcpu;
    this.#memory = memory;
    this.#readRegister = readRegister;
  }

  /** Runs until the guest halts or is stopped. */
  async run(): Promise<'halted' | 'stopped'> {
    let answer: Uint8Array | undefined;
    while (!this.#isStopped) {
      while (this.#resumed !== undefined) {
        await this.#resumed;
      }
      const run = this.#vcpu.run(answer);
      this.#running = run;
      const exit = await run;
      answer = undefined;
      switch (exit.kind) {
        case 'io':
          this.#listen(exit.port, exit.data);
          break;
        case 'mmio':
          // Where nothing is, a read gives 0xff: what `run` gives without an answer.
          answer = exit.direction === 'read' ? this.#registers(exit.address, exit.length) : undefined;
          break;
        case 'halt':
          return 'halted';
        case 'shutdown':
          throw new Error('the guest has crashed (triple fault)');
        case 'fail':
          throw new Error(`KVM cannot run the guest: ${exit.name}, code ${exit.code}`);
        case 'interrupted':
          break;
      }
    }
    return 'stopped';
  }

  /** Waits until the vCPU is between two instructions, and keeps it there. */
  async pause(): Promise<void> {
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
    this.#vcpu.interrupt();
    await this.#running.catch(() => undefined); // `run` fails with it.
  }

  resume(): void {
    this.#resumed = undefined;
    this.#resume?.();
  }

  stop(): void {
    this.#isStopped = true;
    this.#vcpu.interrupt();
  }

  /** Has the guest say the text at an address. Without `isLast` it then waits for the next one. */
  ask(address: bigint, isLast = false): Promise<string> {
    return new Promise((resolve) => {
      this.#hear = resolve;
      sendLetter(this.#memory, address, isLast);
    });
  }

  #listen(port: number, data: Buffer): void {
    if (port !== SAY_PORT) {
      return;
    }
    for (const byte of data) {
      if (byte !== 0) {
        this.#text += String.fromCharCode(byte);
      } else {
        this.#hear?.(this.#text);
        this.#text = '';
      }
    }
  }

  #registers(address: bigint, length: number): Buffer {
    return Buffer.from(Array.from({ length }, (_, index) => this.#readRegister(address + BigInt(index)) ?? 0xff));
  }
}
