import type { Kysely } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/**
 * Leases by renewals that others count, in the place of an end by their owner's clock; and where the owner runs. Epochs stay, so
 * that whoever lost a key before is still fenced.
 */
export async function watchLeases(db: Kysely<Tables>, { integerType }: Dialect): Promise<void> {
  await db.schema.alterTable("leases").dropColumn("expires_at_ms").execute();
  for (const name of ["renewals", "ttl_ms", "taken_at_ms", "renewed_at_ms"]) {
    await db.schema
      .alterTable("leases")
      .addColumn(name, integerType, (column) => column.notNull().defaultTo(0))
      .execute();
  }
  // Those who hold a lease at this moment renew it under the old version, which nobody counts: they get time to end.
  await db.updateTable("leases").set({ ttl_ms: 60_000 }).execute();
  await db.schema.alterTable("leases").addColumn("host", "text").execute();
  await db.schema.alterTable("leases").addColumn("pid", integerType).execute();
}
