/* One case: application, fake daemon and scenery, in a process of its own. */

#ifndef PUSHMFA_TESTS_CASE_H
#define PUSHMFA_TESTS_CASE_H

#include "application.h"

/* What case_run() returns for a case that this process may not play. */
enum { CASE_NEEDS_ROOT = 77 };

/* Play the case in the file; this process plays the application.  heard: see
   application_run().  Return 0, or what to exit with. */
int case_run(const char *path, application_heard *heard);

#endif
