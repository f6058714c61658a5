/* Failures that may leave an approved login approved. */

#ifndef PUSHMFA_TESTS_HARMLESS_H
#define PUSHMFA_TESTS_HARMLESS_H

#include "faults.h"

#include <stdbool.h>

/* Return whether the failure that was planned for the run is one of them. */
bool harmless_has(const struct run *run);

/* Print those that no run has needed, and return how many. */
int harmless_unseen(void);

#endif
