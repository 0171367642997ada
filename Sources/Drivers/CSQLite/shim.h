#include <sqlite3.h>

/* Swift cannot call functions with a variable number of arguments. */

static inline int csqlite_disable_memory_statistics(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

/* Memory of the connection's own, for `count` pieces of `size` bytes. */
static inline int csqlite_set_lookaside(sqlite3 *db, int size, int count) {
    return sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, (void *)0, size, count);
}
