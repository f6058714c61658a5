/* The application of a case: it calls PAM as [run] says, and answers as
   [prompts] says. */

#ifndef PUSHMFA_TESTS_APPLICATION_H
#define PUSHMFA_TESTS_APPLICATION_H

#include "script.h"

/* Write the PAM configuration of the case into its folder. */
void application_configure(const struct script *script);

/* Make the calls and check what comes back. */
void application_run(const struct script *script);

#endif
