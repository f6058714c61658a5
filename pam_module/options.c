/* The arguments of the line in /etc/pam.d.  An argument that we do not
   understand might have been meant to make the line stricter, so it refuses. */

#include "options.h"
#include "text.h"

#include <security/pam_ext.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

static const char default_socket[] = "/run/pushmfa/pam.sock";

enum { TIMEOUT_MIN = 10, TIMEOUT_MAX = 600 };

static bool
set_socket(struct options *options, const char *value)
{
    struct sockaddr_un address;

    options->socket = value;
    return value[0] == '/' && strlen(value) < sizeof(address.sun_path);
}

/* Digits only: strtol() would take " 60", "+60" and "60x" as well. */
static bool
set_timeout(struct options *options, const char *value)
{
    int seconds = 0;
    size_t i;

    for (i = 0; value[i] >= '0' && value[i] <= '9' && i < 3; i++)
        seconds = seconds * 10 + (value[i] - '0');
    options->timeout = seconds;
    return value[i] == '\0' && seconds >= TIMEOUT_MIN && seconds <= TIMEOUT_MAX;
}

static bool
set_display(struct options *options, const char *value)
{
    bool info = strcmp(value, "info") == 0;

    options->display = info ? DISPLAY_INFO : DISPLAY_PROMPT;
    return info || strcmp(value, "prompt") == 0;
}

static bool
set_debug(struct options *options, const char *value)
{
    options->debug = true;
    return value[0] == '\0';
}

static bool
set_role(struct options *options, const char *value)
{
    static const char *const names[] = {
        [ROLE_ATTEMPT] = "attempt",
        [ROLE_FIRST_FACTOR] = "first_factor",
        [ROLE_DECOY] = "decoy",
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(value, names[i]) == 0) {
            options->role = (enum role)i;
            options->role_given = true;
            return true;
        }
    return false;
}

static const struct argument {
    const char *name; /* with '=' where it takes a value */
    bool (*set)(struct options *options, const char *value);
    const char *expected;
} arguments[] = {
    {"socket=", set_socket, "an absolute path of at most 107 bytes"},
    {"timeout=", set_timeout, "a number of seconds from 10 to 600"},
    {"display=", set_display, "prompt or info"},
    {"role=", set_role, "attempt, first_factor or decoy"},
    {"debug", set_debug, "no value"},
};

enum { ARGUMENT_COUNT = sizeof(arguments) / sizeof(arguments[0]) };

/* Return the index in arguments, or ARGUMENT_COUNT. */
static size_t
find_argument(const char *given)
{
    size_t i;

    for (i = 0; i < ARGUMENT_COUNT; i++)
        if (strncmp(given, arguments[i].name, strlen(arguments[i].name)) == 0)
            break;
    return i;
}

static bool
parse_one(struct options *options, bool seen[], const pam_handle_t *pamh,
          const char *given)
{
    const struct argument *argument;
    size_t i = find_argument(given);

    if (i == ARGUMENT_COUNT) {
        pam_syslog(pamh, LOG_ERR,
                   "unknown argument %s: refused; known are socket= timeout= "
                   "display= role= debug",
                   text_word(given).text);
        return false;
    }
    argument = &arguments[i];
    if (seen[i]) {
        pam_syslog(pamh, LOG_ERR, "argument %s given twice: refused",
                   text_word(given).text);
        return false;
    }
    seen[i] = true;
    if (!argument->set(options, given + strlen(argument->name))) {
        pam_syslog(pamh, LOG_ERR, "argument %s: refused; expected %s",
                   text_word(given).text, argument->expected);
        return false;
    }
    return true;
}

bool
options_parse(struct options *options, const pam_handle_t *pamh, int argc,
              const char *const *argv)
{
    bool seen[ARGUMENT_COUNT] = {false};
    int i;

    *options = (struct options){.socket = default_socket};
    for (i = 0; i < argc; i++)
        if (!parse_one(options, seen, pamh, argv[i]))
            return false;
    return true;
}
