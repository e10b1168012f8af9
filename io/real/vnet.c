#include "io/real/vnet.h"

#include "io/offload.h"

/* Linux 6.2; the headers of Debian 12 are older. */
enum { GSO_UDP = 5 };

static bool read_cut(const struct virtio_net_hdr *header, enum offload_cut *cut)
{
    switch (header->gso_type) {
    case VIRTIO_NET_HDR_GSO_NONE:
        *cut = OFFLOAD_WHOLE;
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        *cut = OFFLOAD_TCP4;
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        *cut = OFFLOAD_TCP6;
        return true;
    case GSO_UDP:
        *cut = OFFLOAD_UDP;
        return true;
    default:
        return false;
    }
}

/* What the kernel calls hdr_len may reach into the payload; so it is counted here. */
bool vnet_read(const struct virtio_net_hdr *header, const uint8_t *packet, size_t len,
               struct offload *offload)
{
    *offload = (struct offload){0};
    if (!read_cut(header, &offload->cut))
        return false;
    if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
        offload->checksum = true;
        offload->checksum_start = header->csum_start;
        offload->checksum_at = (uint16_t)(header->csum_start + header->csum_offset);
        if ((size_t)header->csum_start + header->csum_offset + 2 > len)
            return false;
    }
    if (offload->cut == OFFLOAD_WHOLE)
        return true;
    size_t payload = offload_payload(packet, len, header->csum_start, offload->cut != OFFLOAD_UDP);
    offload->segment = header->gso_size;
    offload->header_len = (uint16_t)payload;
    return offload->checksum && payload != 0 && payload <= UINT16_MAX && header->gso_size != 0;
}

bool vnet_write(const struct offload *offload, const uint8_t *packet, size_t len, bool ethernet,
                struct virtio_net_hdr *header)
{
    static const uint8_t types[] = {[OFFLOAD_WHOLE] = VIRTIO_NET_HDR_GSO_NONE,
                                    [OFFLOAD_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
                                    [OFFLOAD_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
                                    [OFFLOAD_UDP] = GSO_UDP};
    *header = (struct virtio_net_hdr){0};
    if (!offload_fits(offload, packet, len, ethernet))
        return false;
    header->gso_type = types[offload->cut];
    if (offload->checksum) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = offload->checksum_start;
        header->csum_offset = (uint16_t)(offload->checksum_at - offload->checksum_start);
    }
    if (offload->cut != OFFLOAD_WHOLE) {
        header->gso_size = offload->segment;
        header->hdr_len = offload->header_len;
    }
    return true;
}
