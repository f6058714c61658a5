/* The conversation function of a case: it plays the [prompts] section. */

#ifndef PUSHMFA_TESTS_PROMPTS_H
#define PUSHMFA_TESTS_PROMPTS_H

#include "script.h"

#include <security/pam_appl.h>

struct prompts {
    const struct script *script;
    pam_handle_t *pamh;
    size_t next; /* the line that is due */
};

/* For struct pam_conv; appdata is a struct prompts. */
int prompts_converse(int count, const struct pam_message **messages,
                     struct pam_response **responses, void *appdata);

/* Complain about lines that were never due. */
void prompts_end(const struct prompts *prompts);

#endif
