import type { Journal } from "../../../src/journal/index.ts";
import { describeAccept } from "./contract/accept.ts";
import { describeBatches } from "./contract/batches.ts";
import { describeConsume } from "./contract/consume.ts";
import { describeCrash } from "./contract/crash.ts";
import { describeLeases } from "./contract/leases.ts";
import { describeLedger } from "./contract/ledger.ts";
import { describeModel } from "./contract/model.ts";
import { describeNotes } from "./contract/notes.ts";
import { describeOpening } from "./contract/opening.ts";
import { describePick } from "./contract/pick.ts";
import { describeReading } from "./contract/reading.ts";
import { describeSurvey } from "./contract/survey.ts";
import { describeTransition } from "./contract/transition.ts";
import { openPlace, type Place } from "./fixtures.ts";

/** What a part of the suite works on: its own journal, and a way to open it again. */
export type Subject = {
  readonly journal: () => Journal;
  /** Another instance on the same journal; closed after the test. */
  readonly another: () => Promise<Journal>;
  readonly place: () => Place;
};

/** The contract of a journal, whatever is under it. `fresh` makes an empty place for a journal, a new one each time. */
export function describeJournal(name: string, fresh: () => Promise<Place>): void {
  describe(`journal on ${name}`, () => {
    let place: Place | undefined;
    let stores: Journal[] = [];

    const open = async () => {
      const journal = await openPlace(subject.place());
      stores.push(journal);
      return journal;
    };
    const subject: Subject = {
      journal: () => {
        const [first] = stores;
        if (first === undefined) throw new Error("not open");
        return first;
      },
      another: open,
      place: () => {
        if (place === undefined) throw new Error("no place");
        return place;
      },
    };

    beforeEach(async () => {
      place = await fresh();
      await open();
    });
    afterEach(async () => {
      await Promise.all(stores.map((journal) => journal.close()));
      stores = [];
    });

    describeAccept(subject);
    describeReading(subject);
    describePick(subject);
    describeTransition(subject);
    describeConsume(subject);
    describeLeases(subject);
    describeBatches(subject);
    describeNotes(subject);
    describeSurvey(subject);
    describeLedger(subject);
    describeOpening(subject, fresh);
    describeCrash(subject);
    describeModel(fresh);
  });
}
