/* The arguments of the line in /etc/pam.d. */

#ifndef PUSHMFA_OPTIONS_H
#define PUSHMFA_OPTIONS_H

#include <security/_pam_types.h>
#include <stdbool.h>

/* What the line is for.  No role ever succeeds where another would refuse. */
enum role {
    ROLE_ATTEMPT,      /* asks for an approval */
    ROLE_FIRST_FACTOR, /* only selects: was a public key proved? */
    ROLE_DECOY         /* looks like an attempt, always refuses */
};

/* DISPLAY_SERVICE: the daemon decides by service and configuration. */
enum display { DISPLAY_SERVICE, DISPLAY_PROMPT, DISPLAY_INFO };

struct options {
    const char *socket; /* absolute, fits sun_path; points into argv */
    int timeout;        /* seconds, 10 to 600; 0 = not given */
    enum display display;
    bool debug;
    enum role role;
    bool role_given;
};

/* Fill *options from the arguments of the PAM line.  Return false, after a log
   line that names the argument, if one is unknown, doubled or malformed. */
bool options_parse(struct options *options, const pam_handle_t *pamh, int argc,
                   const char *const *argv);

#endif
