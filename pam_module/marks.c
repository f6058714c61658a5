/* What a PAM handle remembers between two calls of the module. */

#include "marks.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static const char approved_key[] = "pushmfa_approved";
static const char refused_key[] = "pushmfa_refused";

static void
free_user(pam_handle_t *pamh, void *data, int status)
{
    (void)pamh;
    (void)status;
    free(data);
}

void
marks_approve(pam_handle_t *pamh)
{
    const void *user = NULL;
    char *copy = NULL;

    if (pam_get_item(pamh, PAM_USER, &user) == PAM_SUCCESS && user != NULL)
        copy = strdup(user);
    if (copy != NULL &&
        pam_set_data(pamh, approved_key, copy, free_user) != PAM_SUCCESS)
        free(copy);
}

bool
marks_forget_approval(pam_handle_t *pamh)
{
    const void *data = NULL;
    int code = pam_get_data(pamh, approved_key, &data);

    if (code == PAM_NO_MODULE_DATA)
        return true;
    if (code == PAM_SUCCESS)
        code = pam_set_data(pamh, approved_key, NULL, NULL);
    if (code == PAM_SUCCESS)
        return true;
    pam_syslog(pamh, LOG_ERR, "cannot forget an approval: code %d", code);
    return false;
}

bool
marks_is_approved(const pam_handle_t *pamh)
{
    const void *approved = NULL;
    const void *user = NULL;

    return pam_get_data(pamh, approved_key, &approved) == PAM_SUCCESS &&
           approved != NULL &&
           pam_get_item(pamh, PAM_USER, &user) == PAM_SUCCESS && user != NULL &&
           strcmp(approved, user) == 0;
}

void
marks_refuse(pam_handle_t *pamh)
{
    static char mark[] = "refused";

    (void)pam_set_data(pamh, refused_key, mark, NULL);
}

bool
marks_is_refused(const pam_handle_t *pamh)
{
    const void *mark = NULL;

    return pam_get_data(pamh, refused_key, &mark) != PAM_NO_MODULE_DATA;
}
