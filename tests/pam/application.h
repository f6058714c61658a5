/* The application of a case: it calls PAM as [run] says, and answers as
   [prompts] says. */

#ifndef PUSHMFA_TESTS_APPLICATION_H
#define PUSHMFA_TESTS_APPLICATION_H

#include "script.h"

#include <stdbool.h>

/* Write the PAM configuration of the case into its folder. */
void application_configure(const struct script *script);

/* Told what each call returned, and whether [run] wants that. */
typedef void application_heard(int code, bool wanted);

/* Make the calls and check what comes back.  heard may be NULL; with it, the
   first code that is not wanted ends the run. */
void application_run(const struct script *script, application_heard *heard);

#endif
