/*
 * Where fields stand in the headers of TCP and UDP (RFC 9293, 3.1; RFC 768).
 */
#ifndef PACKET_TCP_H
#define PACKET_TCP_H

enum {
    TCP_SEQUENCE_AT = 4,
    TCP_ACKNOWLEDGEMENT_AT = 8,
    TCP_FLAGS_AT = 13,
    TCP_WINDOW_AT = 14,
    TCP_CHECKSUM_AT = 16,
    TCP_URGENT_AT = 18,
    UDP_LEN_AT = 4,
    UDP_CHECKSUM_AT = 6,
};

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_CWR = 0x80,
};

#endif
