/*
 * Names of items (docs/protocols/sodiumtcp.md, BEGIN).
 */
#ifndef SODIUMTCP_NAME_H
#define SODIUMTCP_NAME_H

#include <adit/sodiumtcp.h>

/*
 * The number of components of a name, or SODIUMTCP_E_NAME where it is malformed, over a limit, or
 * has a component that no name may have.
 */
int sodiumtcp_name_count(const struct sodiumtcp_name *name);

#endif
