"""Who may know whom (docs/design.md, The house). Shared by the architecture tests."""

# A file belongs to the longest zone that its path starts with.
MAY_KNOW = {
    "base": {"base", "include/adit"},
    "include/adit": {"include/adit"},
    "lib/crypto": {"lib/crypto", "base", "include/adit"},
    "lib/tls": {"lib/tls", "base", "include/adit"},
    "lib/proxy": {"lib/proxy", "base", "include/adit"},
    "lib/snitun": {"lib/snitun", "lib/crypto", "base", "include/adit"},
    "lib/packet": {"lib/packet", "base", "include/adit"},
    "lib/quicktun": {"lib/quicktun", "base", "include/adit"},
    "lib/sodiumtcp": {"lib/sodiumtcp", "base", "include/adit"},
    # A token names a cipher of the multiplexer.
    "lib/token": {"lib/token", "lib/snitun", "lib/crypto", "base", "include/adit"},
    "io": {"io", "base", "include/adit"},
    "io/real": {"io/real", "io", "base", "include/adit"},
    "io/sim": {"io/sim", "io", "base", "include/adit"},
    "roles": {"roles", "lib", "io", "base", "include/adit"},
    # The programs choose an implementation of io.
    "cli": {"cli", "roles", "lib", "io", "io/real", "base", "include/adit"},
    "tests": {"tests", "cli", "roles", "lib", "io", "io/real", "io/sim", "base", "include/adit"},
    "bench": {"bench", "cli", "roles", "lib", "io", "io/real", "io/sim", "base", "include/adit"},
    # What a device maker copies sees installed headers alone.
    "examples": {"examples", "include/adit"},
}

# Functions of libc that neither enter the kernel nor keep state, and what compilers add.
LIBC = set(
    "malloc calloc realloc free "
    "memchr memcmp memcpy memmove memrchr memset explicit_bzero "
    "strchr strcmp strcspn strlen strncasecmp strcasecmp strncmp strnlen strrchr strspn strstr "
    "strtol strtoul strtoull snprintf vsnprintf inet_ntop inet_pton qsort "
    "abort __assert_fail __stack_chk_fail _GLOBAL_OFFSET_TABLE_ __cpu_model".split())

# What may be asked for besides, by whole names.
MORE_OF_LIBC = {
    # Tables that the workers share have locks.
    "roles": set("pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock "
                 "pthread_mutex_destroy strcpy strdup asprintf".split()),
    # Printing is what it is for: to the two streams that are open already, or to memory. What it
    # reads of the environment is where a user keeps files. Everything else that enters the kernel,
    # terminals included, goes through io/real.
    "cli": set("stdout stderr printf fprintf vfprintf puts putc fputc fputs fwrite fflush perror "
               "open_memstream fclose getenv gmtime_r strftime "
               "memmem strcpy strdup strndup strpbrk asprintf".split()),
}

# What an archive may ask of the libraries beneath it, beside LIBC: beginnings of names.
CRYPTOGRAPHY = ("EVP_", "HMAC", "SHA256", "CRYPTO_", "OPENSSL_", "gcry_")
FOREIGN = {
    # libgcrypt is to be set up once per process, and nothing but pthread_once() can do that.
    "lib/crypto": CRYPTOGRAPHY + ("pthread_once",),
    "lib/snitun": CRYPTOGRAPHY,
    "lib/quicktun": ("crypto_", "sodium_"),
    "lib/sodiumtcp": ("crypto_", "sodium_"),
    "lib/token": CRYPTOGRAPHY + ("json_",),
    # The store of a session master is SQLite, which has files of its own. A transfer hashes what
    # it reads back and the passphrases of its users, and packs what shrinks: whether it does is
    # policy, and an engine that packed would need memory where bytes pass.
    "roles": ("json_", "sqlite3_", "crypto_generichash", "crypto_pwhash_", "sodium_init",
              "sodium_bin2base64", "ZSTD_"),
    # OpenSSL beyond base64 of keys is for the throw-away CA of the demo.
    "cli": CRYPTOGRAPHY + ("json_", "yaml_", "crypto_", "sodium_", "BIO_", "BN_", "ERR_", "PEM_",
                           "RAND_bytes", "X509"),
}


def zone_of(path):
    """The zone of a path relative to the root, or None."""
    return max((z for z in MAY_KNOW if path == z or path.startswith(z + "/")), key=len,
               default=None)


def may_know(who, whom):
    """Zones stand for what is below them only where they are named as a whole: `lib`."""
    allowed = MAY_KNOW[who]
    return whom in allowed or (whom.startswith("lib/") and "lib" in allowed)
