/* A conversation file, read and checked. */

#include "script.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const section_names[SECTIONS] = {
    [SECTION_OPTIONS] = "[options]", [SECTION_STACK] = "[stack]",
    [SECTION_DAEMON] = "[daemon]",   [SECTION_PROMPTS] = "[prompts]",
    [SECTION_RUN] = "[run]",         [SECTION_LOG] = "[log]",
};

/* The first words that each section knows; blanks around every one. */
static const char *const known_words[SECTIONS] = {
    [SECTION_OPTIONS] =
        " service user module account ruser rhost tty env process_env argv"
        " terminal client socket folder folder_mode socket_mode folder_owner"
        " socket_owner peer block handle descriptors parent conversation ",
    [SECTION_STACK] = " auth account ",
    [SECTION_DAEMON] =
        " CONNECTION REFUSED EXPECT EXPECT-ABSENT EXPECT-KEYS EXPECT-LENGTH"
        " EXPECT-TYPED EXPECT-SILENCE PROMPT INFO ERROR VERDICT RAW FILL EMPTY"
        " PASS-DESCRIPTOR FLOOD SLEEP CLOSE TYPE HANGUP HANGUP-CLIENT SIGNAL"
        " TAKE-FOREGROUND ORPHAN ",
    [SECTION_PROMPTS] = " echo_on info error endless wait set_user unlimit ",
    [SECTION_RUN] = " authenticate setcred acct_mgmt set_user pending ",
    [SECTION_LOG] = " alert err notice info debug ",
};

static bool
is_known(enum section section, const char *word)
{
    char wanted[64];

    (void)snprintf(wanted, sizeof(wanted), " %s ", word);
    return strstr(known_words[section], wanted) != NULL;
}

static enum section
find_section(int number, const char *name)
{
    size_t i;

    for (i = 0; i < SECTIONS; i++)
        if (strcmp(section_names[i], name) == 0)
            return (enum section)i;
    give_up(number, "unknown section %s", name);
}

static char *
trim(char *text)
{
    static const char blanks[] = " \t\r\n";
    char *end = text + strlen(text);

    while (end > text && strchr(blanks, end[-1]) != NULL)
        *--end = '\0';
    return text + strspn(text, blanks);
}

static void
add_line(struct script *script, enum section section, int number, char *text)
{
    size_t length = strcspn(text, " \t=");
    struct lines *lines;
    struct line *line;

    if (section >= SECTIONS)
        give_up(number, "before the first section: %s", text);
    lines = &script->section[section];
    line = &lines->line[lines->count];
    if (lines->count == SCRIPT_LINES || length >= sizeof(line->word))
        give_up(number, "too many lines, or too long a word");
    line->number = number;
    (void)snprintf(line->word, sizeof(line->word), "%.*s", (int)length, text);
    text = trim(text + length);
    if (*text == '=')
        text = trim(text + 1);
    (void)snprintf(line->rest, sizeof(line->rest), "%s", text);
    if (!is_known(section, line->word))
        give_up(number, "%s does not know %s", section_names[section],
                line->word);
    lines->count++;
}

void
script_read(struct script *script, const char *path)
{
    FILE *file = fopen(path, "re");
    enum section section = SECTIONS;
    char buffer[SCRIPT_TEXT];
    int number = 0;

    if (file == NULL)
        give_up(0, "cannot read %s", path);
    while (fgets(buffer, sizeof(buffer), file) != NULL) {
        bool whole = strlen(buffer) < sizeof(buffer) - 1;
        char *text = trim(buffer);

        number++;
        if (!whole)
            give_up(number, "too long a line");
        /* NOLINTNEXTLINE(clang-analyzer-security.*): strspn() stops at NUL */
        if (*text == '\0' || *text == '#')
            continue;
        if (*text == '[')
            section = find_section(number, text);
        else
            add_line(script, section, number, text);
    }
    (void)fclose(file);
    if (script->section[SECTION_RUN].count == 0)
        give_up(number, "nothing to [run]");
}

const char *
script_option(const struct script *script, const char *word,
              const char *otherwise)
{
    const struct lines *options = &script->section[SECTION_OPTIONS];
    const char *value = otherwise;
    size_t i;

    for (i = 0; i < options->count; i++)
        if (strcmp(options->line[i].word, word) == 0)
            value = options->line[i].rest;
    return value;
}

/* Return how many bytes of text the name takes, 0 if it is none, and write
   what it stands for. */
static size_t
expand_name(const struct script *script, const char *text, char *value,
            size_t size)
{
    char uid[16];
    const struct {
        const char *name;
        const char *value;
    } names[] = {
        {"@dir@", script->folder},
        {"@module@", getenv("PUSHMFA_MODULE")},
        {"@pid@", getenv("PUSHMFA_PID")},
        {"@conn@", getenv("PUSHMFA_CONN")},
        {"@uid@", uid},
    };
    size_t i;

    (void)snprintf(uid, sizeof(uid), "%u", getuid());
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(text, names[i].name, strlen(names[i].name)) == 0) {
            (void)snprintf(value, size, "%s", names[i].value);
            return strlen(names[i].name);
        }
    return 0;
}

/* The same for an escape. */
static size_t
expand_escape(const char *text, char *value)
{
    unsigned long byte;
    char digits[3] = {0};

    value[1] = '\0';
    if (text[0] != '\\')
        return 0;
    if (text[1] == 'n')
        value[0] = '\n';
    else if (text[1] == '\\')
        value[0] = '\\';
    else if (text[1] == 'x' && text[2] != '\0' && text[3] != '\0') {
        memcpy(digits, text + 2, 2);
        byte = strtoul(digits, NULL, 16);
        value[0] = (char)byte;
        return 4;
    } else
        give_up(0, "unknown escape: %s", text);
    return 2;
}

size_t
script_expand(const struct script *script, const char *text, char *out,
              size_t size)
{
    size_t length = 0;

    while (*text != '\0') {
        char value[SCRIPT_TEXT] = {*text};
        size_t taken = expand_name(script, text, value, sizeof(value));
        size_t width = strlen(value);

        if (taken == 0) {
            taken = expand_escape(text, value);
            width = 1; /* an escaped NUL counts */
        }
        if (length + width >= size)
            give_up(0, "too long: %s", text);
        memcpy(out + length, value, width);
        length += width;
        text += taken == 0 ? 1 : taken;
    }
    out[length] = '\0';
    return length;
}
