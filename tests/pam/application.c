/* The application of a case. */

#include "application.h"
#include "prompts.h"
#include "report.h"

#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VALUE_SIZE = 100000 }; /* more than fits the first datagram */

static const struct {
    const char *name;
    int code;
} codes[] = {
    {"PAM_SUCCESS", PAM_SUCCESS},
    {"PAM_SERVICE_ERR", PAM_SERVICE_ERR},
    {"PAM_AUTH_ERR", PAM_AUTH_ERR},
    {"PAM_CRED_INSUFFICIENT", PAM_CRED_INSUFFICIENT},
    {"PAM_AUTHINFO_UNAVAIL", PAM_AUTHINFO_UNAVAIL},
    {"PAM_PERM_DENIED", PAM_PERM_DENIED},
    {"PAM_ABORT", PAM_ABORT},
};

static const char *
code_name(int code)
{
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == code)
            return codes[i].name;
    return "another code";
}

static void
write_line(const struct script *script, FILE *file, const char *text)
{
    char expanded[SCRIPT_TEXT];

    (void)script_expand(script, text, expanded, sizeof(expanded));
    (void)fprintf(file, "%s\n", expanded);
}

/* One line of the PAM configuration; the case's socket unless it names one. */
static void
write_module_line(const struct script *script, FILE *file, const char *phase,
                  const char *arguments)
{
    char line[SCRIPT_TEXT * 2];
    const char *own =
        strstr(arguments, "socket=") == NULL ? "socket=@dir@/run/pam.sock" : "";

    (void)snprintf(line, sizeof(line), "%s required @module@ %s %s", phase, own,
                   arguments);
    write_line(script, file, line);
}

void
application_configure(const struct script *script)
{
    const struct lines *stack = &script->section[SECTION_STACK];
    const char *arguments = script_option(script, "module", "");
    char path[256];
    FILE *file;
    size_t i;

    (void)snprintf(path, sizeof(path), "%s/pam.d/%s", script->folder,
                   script_option(script, "service", "sshd"));
    file = fopen(path, "we");
    if (file == NULL)
        give_up(0, "cannot write %s", path);
    for (i = 0; i < stack->count; i++) {
        char line[SCRIPT_TEXT * 2];

        (void)snprintf(line, sizeof(line), "%s %s", stack->line[i].word,
                       stack->line[i].rest);
        write_line(script, file, line);
    }
    if (stack->count == 0) {
        write_module_line(script, file, "auth", arguments);
        write_module_line(script, file, "account",
                          script_option(script, "account", arguments));
    }
    (void)fclose(file);
    (void)snprintf(path, sizeof(path), "%s/pam.d/other", script->folder);
    file = fopen(path, "we"); /* libpam logs a complaint where there is none */
    if (file != NULL)
        (void)fclose(file);
}

/* Write the value of an option; "(fill N)" is N times 'x'. */
static void
make_value(const struct script *script, const char *given, char *value)
{
    size_t count;

    if (strncmp(given, "(fill ", 6) != 0) {
        (void)script_expand(script, given, value, SCRIPT_TEXT);
        return;
    }
    count = strtoul(given + 6, NULL, 10);
    if (count >= VALUE_SIZE)
        give_up(0, "too long: %s", given);
    memset(value, 'x', count);
    value[count] = '\0';
}

static void
set_items(const struct script *script, pam_handle_t *pamh)
{
    static const struct {
        const char *word;
        int item;
    } items[] = {{"ruser", PAM_RUSER}, {"rhost", PAM_RHOST}, {"tty", PAM_TTY}};
    const struct lines *options = &script->section[SECTION_OPTIONS];
    static char value[VALUE_SIZE];
    size_t i;

    for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        const char *given = script_option(script, items[i].word, NULL);

        if (given != NULL) {
            make_value(script, given, value);
            (void)pam_set_item(pamh, items[i].item, value);
        }
    }
    for (i = 0; i < options->count; i++)
        if (strcmp(options->line[i].word, "env") == 0) {
            (void)script_expand(script, options->line[i].rest, value,
                                sizeof(value));
            (void)pam_putenv(pamh, value);
        }
}

static int
count_descriptors(void)
{
    int fd, count = 0;

    for (fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            count++;
    return count;
}

/* What "ulimit -n" does to sudo: only so many more descriptors. */
static void
limit_descriptors(const struct script *script)
{
    const char *more = script_option(script, "descriptors", NULL);
    struct rlimit limit;
    int lowest;

    if (more == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    lowest = dup(STDERR_FILENO);
    (void)close(lowest);
    limit.rlim_cur = (rlim_t)lowest + strtoul(more, NULL, 10);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
expect_pending(const struct line *line)
{
    sigset_t pending;

    if (sigpending(&pending) != 0 || sigismember(&pending, SIGINT) != 1)
        fail(line->number, "SIGINT is not pending any more");
}

static int
call(pam_handle_t *pamh, const struct line *line, int flags)
{
    if (strcmp(line->word, "authenticate") == 0)
        return pam_authenticate(pamh, flags);
    if (strcmp(line->word, "setcred") == 0)
        return pam_setcred(pamh, (int)PAM_ESTABLISH_CRED);
    return pam_acct_mgmt(pamh, flags);
}

/* One line of [run]: "authenticate [flags] = PAM_CODE". */
static bool
run_line(pam_handle_t *pamh, const struct line *line, application_heard *heard)
{
    const char *equals = strchr(line->rest, '=');
    const char *wanted = equals == NULL ? line->rest : equals + 2;
    int flags =
        equals == NULL ? 0 : (int)(unsigned)strtoul(line->rest, NULL, 0);
    int before = count_descriptors();
    bool as_wanted = true;
    int code;

    if (strcmp(line->word, "set_user") == 0)
        (void)pam_set_item(pamh, PAM_USER, line->rest);
    else if (strcmp(line->word, "pending") == 0)
        expect_pending(line);
    else {
        code = call(pamh, line, flags);
        as_wanted = strcmp(code_name(code), wanted) == 0;
        if (heard != NULL)
            heard(code, as_wanted);
        if (!as_wanted)
            fail(line->number, "%s returned %s (%d)", line->word,
                 code_name(code), code);
    }
    if (count_descriptors() != before)
        fail_always("line %d: descriptors leaked", line->number);
    return as_wanted;
}

void
application_run(const struct script *script, application_heard *heard)
{
    const struct lines *run = &script->section[SECTION_RUN];
    const char *user = script_option(script, "user", "alice");
    static char expanded[VALUE_SIZE];
    char folder[128];
    struct prompts prompts = {.script = script};
    struct pam_conv conv = {.conv = prompts_converse, .appdata_ptr = &prompts};
    size_t i;

    if (script_option(script, "conversation", NULL) != NULL)
        conv.conv = NULL;
    (void)snprintf(folder, sizeof(folder), "%s/pam.d", script->folder);
    make_value(script, user, expanded);
    if (pam_start_confdir(script_option(script, "service", "sshd"),
                          strcmp(user, "NONE") == 0 ? NULL : expanded, &conv,
                          folder, &prompts.pamh) != PAM_SUCCESS)
        give_up(0, "pam_start failed");
    set_items(script, prompts.pamh);
    limit_descriptors(script);
    for (i = 0; i < run->count; i++)
        if (!run_line(prompts.pamh, &run->line[i], heard) && heard != NULL)
            break;
    (void)pam_end(prompts.pamh, PAM_SUCCESS);
    prompts_end(&prompts);
}
