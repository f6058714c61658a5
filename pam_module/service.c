/* Which kind of program called PAM: they differ in what they show, when. */

#include "service.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <string.h>
#include <syslog.h>

static const struct kind {
    const char *name;
    enum column column;
    bool is_login;
} local_services[] = {
    {"sudo", COLUMN_SUDO, false},   {"sudo-i", COLUMN_SUDO, false},
    {"su", COLUMN_OTHERS, false},   {"su-l", COLUMN_OTHERS, false},
    {"login", COLUMN_OTHERS, true},
};

static const struct kind *
find_local(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(local_services) / sizeof(local_services[0]); i++)
        if (strcmp(name, local_services[i].name) == 0)
            return &local_services[i];
    return NULL;
}

bool
service_identify(struct service *service, pam_handle_t *pamh)
{
    const struct kind *local;
    const void *item = NULL;

    *service = (struct service){.name = "", .column = COLUMN_OTHERS};
    if (pam_get_item(pamh, PAM_SERVICE, &item) != PAM_SUCCESS || item == NULL) {
        pam_syslog(pamh, LOG_ERR, "no service name: refused");
        return false;
    }
    service->name = item;
    local = find_local(service->name);
    if (local != NULL) {
        service->is_local = true;
        service->is_login = local->is_login;
        service->column = local->column;
        return true;
    }
    service->conn = pam_getenv(pamh, "SSH_CONNECTION");
    service->methods = pam_getenv(pamh, "SSH_AUTH_INFO_0");
    return true;
}

bool
service_has_public_key(const struct service *service)
{
    static const char wanted[] = "publickey ";
    const char *line = service->methods;

    while (line != NULL) {
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            return true;
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}
