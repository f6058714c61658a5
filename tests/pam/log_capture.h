/* What the module and libpam write to the system log, caught in memory. */

#ifndef PUSHMFA_TESTS_LOG_CAPTURE_H
#define PUSHMFA_TESTS_LOG_CAPTURE_H

#include "script.h"

/* Compare what was logged so far with the [log] section, line by line. */
void log_capture_compare(const struct script *script);

#endif
