#!/bin/sh
# Makes the certificates of one test: certificates.sh FOLDER
#
# NAME.pem and NAME.key, issued by ca: localhost, one, wildcard (*.wild.example) for servers; alice for
# a client, old is a client whose time is over, mallory one for whom other-ca vouches. `roots` holds ca.pem
# alone, `other-roots` other-ca.pem; NAME.both the key and the certificate in one file, as HAProxy wants them.
set -eu
mkdir -p "$1/roots" "$1/other-roots" && cd "$1"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
}

# issue AUTHORITY NAME DAYS EXTENSIONS
issue() {
    printf '%b' "$4" > "$2.ext"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
        -keyout "$2.key" -out "$2.csr"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days "$3" \
        -sha256 -extfile "$2.ext" -out "$2.pem"
    cat "$2.key" "$2.pem" > "$2.both"
}

{
    authority ca
    authority other-ca
    cp ca.pem roots
    cp other-ca.pem other-roots
    issue ca localhost 30 'subjectAltName=DNS:localhost,IP:127.0.0.1'
    issue ca renewed 30 'subjectAltName=DNS:localhost,IP:127.0.0.1'
    issue ca one 30 'subjectAltName=DNS:one.example'
    issue ca wildcard 30 'subjectAltName=DNS:*.wild.example'
    issue ca alice 30 'extendedKeyUsage=clientAuth'
    issue ca old -1 'extendedKeyUsage=clientAuth'
    issue other-ca mallory 30 'extendedKeyUsage=clientAuth'
} 2> certificates.log >&2 || { cat certificates.log >&2; exit 1; }
