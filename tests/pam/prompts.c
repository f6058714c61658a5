/* The conversation function of a case: it plays the [prompts] section. */

#include "prompts.h"
#include "report.h"
#include "wipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void
expect_wipe(const char *answer)
{
    wipe_expect(answer, answer == NULL ? 0 : strlen(answer));
}

/* libpam itself needs descriptors after the module has returned. */
static void
lift_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Return the line that is due, after doing what comes before it; NULL if there
   is none. */
static const struct line *
next_line(struct prompts *prompts, int style)
{
    const struct lines *lines = &prompts->script->section[SECTION_PROMPTS];

    while (prompts->next < lines->count) {
        const struct line *line = &lines->line[prompts->next++];

        if (strcmp(line->word, "wait") == 0) {
            time_t seconds = (time_t)strtoul(line->rest, NULL, 10);
            struct timespec time = {.tv_sec = seconds};

            (void)nanosleep(&time, NULL);
        } else if (strcmp(line->word, "set_user") == 0)
            (void)pam_set_item(prompts->pamh, PAM_USER, line->rest);
        else if (strcmp(line->word, "unlimit") == 0)
            lift_limit();
        else if (strcmp(line->word, "endless") != 0)
            return line;
        else if (style == PAM_TEXT_INFO) {
            prompts->next--; /* due until something else is shown */
            return line;
        }
    }
    return NULL;
}

static const char *
style_name(int style)
{
    switch (style) {
    case PAM_PROMPT_ECHO_ON:
        return "echo_on";
    case PAM_TEXT_INFO:
        return "info";
    case PAM_ERROR_MSG:
        return "error";
    default:
        return "(unknown style)";
    }
}

/* Return the part after the last " | ", "" if there is none, and cut it off
   text. */
static const char *
split_answer(char *text)
{
    char *bar = NULL, *found = strstr(text, " |");

    while (found != NULL) {
        bar = found;
        found = strstr(found + 1, " |");
    }
    if (bar == NULL)
        return "";
    *bar = '\0';
    return bar[2] == ' ' ? bar + 3 : bar + 2;
}

/* Return the code of a conversation that fails, or PAM_SUCCESS.  It may leave
   anything in *responses, which is not the module's to free then. */
static int
make_failure(const char *answer, struct pam_response **responses)
{
    static struct pam_response nobodys;

    if (strcmp(answer, "CONV_ERR") == 0)
        return PAM_CONV_ERR;
    if (strncmp(answer, "RETURN ", 7) != 0)
        return PAM_SUCCESS;
    *responses = &nobodys;
    return (int)strtol(answer + 7, NULL, 10);
}

/* Return what is typed, allocated. */
static char *
make_answer(const struct prompts *prompts, const char *answer)
{
    char expanded[SCRIPT_TEXT] = "";
    size_t count;
    char *filled;

    if (strcmp(answer, "NULL") == 0)
        return NULL;
    if (strncmp(answer, "(fill ", 6) == 0) {
        count = strtoul(answer + 6, NULL, 10);
        filled = calloc(count + 1, 1);
        if (filled != NULL)
            memset(filled, 'x', count);
        return filled;
    }
    if (strcmp(answer, "(enter)") != 0)
        (void)script_expand(prompts->script, answer, expanded,
                            sizeof(expanded));
    return strdup(expanded);
}

static void
compare(const struct prompts *prompts, const struct line *line,
        const struct pam_message *message, const char *text)
{
    char expanded[SCRIPT_TEXT];

    (void)script_expand(prompts->script, text, expanded, sizeof(expanded));
    bool endless = strcmp(line->word, "endless") == 0;

    if (strcmp(style_name(message->msg_style), endless ? "info" : line->word) !=
            0 ||
        strcmp(message->msg, expanded) != 0)
        fail(line->number, "shown: %s = %s", style_name(message->msg_style),
             message->msg);
}

int
prompts_converse(int count, const struct pam_message **messages,
                 struct pam_response **responses, void *appdata)
{
    struct prompts *prompts = appdata;
    const struct line *line = next_line(prompts, messages[0]->msg_style);
    char text[SCRIPT_TEXT];
    const char *answer;
    int code;

    if (wipe_is_due())
        fail_always("an answer was not wiped");
    if (count != 1)
        fail(0, "%d messages in one call", count);
    if (line == NULL) {
        fail(0, "shown, but not in [prompts]: %s = %s",
             style_name(messages[0]->msg_style), messages[0]->msg);
        return PAM_CONV_ERR;
    }
    (void)snprintf(text, sizeof(text), "%s", line->rest);
    answer = split_answer(text);
    compare(prompts, line, messages[0], text);
    code = make_failure(answer, responses);
    if (code != PAM_SUCCESS || strcmp(answer, "UNTOUCHED") == 0)
        return code;
    *responses = NULL;
    if (strcmp(answer, "NO-RESPONSE") == 0)
        return PAM_SUCCESS;
    *responses = calloc(1, sizeof(**responses));
    if (*responses == NULL || messages[0]->msg_style != PAM_PROMPT_ECHO_ON)
        return PAM_SUCCESS;
    (*responses)->resp = make_answer(prompts, answer);
    if (messages[0]->msg[0] == 'p') /* libpam's own "login: " is no secret */
        expect_wipe((*responses)->resp);
    return PAM_SUCCESS;
}

void
prompts_end(const struct prompts *prompts)
{
    const struct lines *lines = &prompts->script->section[SECTION_PROMPTS];

    if (wipe_is_due())
        fail_always("an answer was not wiped");
    if (prompts->next < lines->count &&
        strcmp(lines->line[prompts->next].word, "endless") != 0)
        fail(lines->line[prompts->next].number, "never shown");
}
