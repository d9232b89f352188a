import type { Opcode } from "./frames.ts";

/** Takes frames and sees to it that they are written, in order. */
export interface FrameWriter {
  /** Bytes that were accepted and that the kernel has not taken yet. */
  readonly size: number;
  /** Whether senders should wait for `drained()`. */
  readonly full: boolean;
  /** Resolves when there is room again, or nothing will ever be written. */
  drained(): Promise<void>;
  /** Resolves when all accepted is with the kernel, or never will be. */
  flush(): Promise<void>;
  text(text: string): void;
  /** `payload` is copied. */
  frame(opcode: Opcode, payload: Uint8Array): void;
  /** Nothing more is written; what waits is forgotten; waiters go on. */
  stop(): void;
}
