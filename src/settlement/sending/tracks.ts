import type { Hex } from "viem";
import type { BroadcastAnswer } from "../../chain/sending/broadcast.ts";
import type { BatchRow } from "../../journal/ports/batches.ts";

/** What this process remembers of an open batch. None of it must survive the process. */
export type Track = {
  readonly seenSinceMs: number;
  /** The attempt that was handed out last. */
  readonly handedOut: Hex | undefined;
  readonly answer: BroadcastAnswer | undefined;
  readonly answerTimes: number;
  readonly replaceNotBeforeMs: number;
};

export type Tracks = {
  readonly of: (batchId: Hex, nowMs: number) => Track;
  readonly answered: (batchId: Hex, hash: Hex, answer: BroadcastAnswer, nowMs: number) => void;
  readonly deferReplacement: (batchId: Hex, untilMs: number, nowMs: number) => void;
  /** Makes the same bytes go out again with the next look. */
  readonly forgetAnswer: (batchId: Hex, nowMs: number) => void;
  /** Forgets all batches but these. */
  readonly keepOnly: (batches: readonly Pick<BatchRow, "id">[]) => void;
};

export function createTracks(): Tracks {
  const tracks = new Map<Hex, Track>();
  const of = (batchId: Hex, nowMs: number): Track => {
    const known = tracks.get(batchId);
    if (known !== undefined) return known;
    const track: Track = {
      seenSinceMs: nowMs,
      handedOut: undefined,
      answer: undefined,
      answerTimes: 0,
      replaceNotBeforeMs: 0,
    };
    tracks.set(batchId, track);
    return track;
  };

  return {
    of,
    answered: (batchId, hash, answer, nowMs) => {
      const track = of(batchId, nowMs);
      const again = track.handedOut === hash && track.answer === answer;
      tracks.set(batchId, { ...track, handedOut: hash, answer, answerTimes: again ? track.answerTimes + 1 : 1 });
    },
    deferReplacement: (batchId, untilMs, nowMs) => {
      tracks.set(batchId, { ...of(batchId, nowMs), replaceNotBeforeMs: untilMs });
    },
    forgetAnswer: (batchId, nowMs) => {
      tracks.set(batchId, { ...of(batchId, nowMs), answer: undefined, answerTimes: 0 });
    },
    keepOnly: (batches) => {
      const ids = new Set(batches.map(({ id }) => id));
      for (const id of tracks.keys()) if (!ids.has(id)) tracks.delete(id);
    },
  };
}
