/*
 * struct virtio_net_hdr, which stands in front of each packet of a device with IFF_VNET_HDR, and
 * struct offload.
 */
#ifndef IO_REAL_VNET_H
#define IO_REAL_VNET_H

#include "base/offload.h"

#include <linux/virtio_net.h>
#include <stddef.h>

/* False when the kernel left something for later that an offload cannot say. */
bool vnet_read(const struct virtio_net_hdr *header, const uint8_t *packet, size_t len,
               struct offload *offload);

/* False when the packet cannot have that offload. */
bool vnet_write(const struct offload *offload, const uint8_t *packet, size_t len, bool ethernet,
                struct virtio_net_hdr *header);

#endif
