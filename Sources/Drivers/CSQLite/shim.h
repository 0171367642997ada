#include <sqlite3.h>

/* Swift cannot call functions with a variable number of arguments. */
static inline int csqlite_disable_memory_statistics(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
