#!/bin/sh
# Makes certificates that a strict peer refuses, and a few that it must take: certificate_zoo.sh FOLDER,
# where certificates.sh has been. For each NAME.pem, the chain in it, there is NAME.key.
set -eu
cd "$1"

cat > ca.cnf <<'CNF'
[ca]
default_ca = a
[a]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = p
copy_extensions = copy
[p]
commonName = supplied
CNF
: > index.txt

# issue NAME AUTHORITY EXTENSIONS KEY DIGEST START END
issue() {
    printf '%b' "$3" > "$1.ext"
    openssl req -new -newkey $4 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    openssl ca -batch -notext -config ca.cnf -cert "$2.pem" -keyfile "$2.key" -md "$5" -startdate "$6" \
        -enddate "$7" -extfile "$1.ext" -in "$1.csr" -out "$1.pem"
}

ec='ec -pkeyopt ec_paramgen_curve:P-256'
past=20200101000000Z
now=20240101000000Z
later=20491231000000Z
localhost='subjectAltName=DNS:localhost\n'
{
    issue good ca "$localhost" "$ec" sha256 $now $later
    issue expired ca "$localhost" "$ec" sha256 $past $now
    issue future ca "$localhost" "$ec" sha256 20481231000000Z $later
    issue weak-key ca "$localhost" rsa:1024 sha256 $now $later
    issue weak-digest ca "$localhost" "$ec" sha1 $now $later
    issue for-servers ca "${localhost}extendedKeyUsage=serverAuth" "$ec" sha256 $now $later
    issue for-clients ca "${localhost}extendedKeyUsage=clientAuth" "$ec" sha256 $now $later
    issue for-code ca "${localhost}extendedKeyUsage=codeSigning" "$ec" sha256 $now $later
    issue constrained ca \
        'basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;DNS:localhost' \
        "$ec" sha256 $now $later
    issue inside constrained "$localhost" "$ec" sha256 $now $later
    issue outside constrained "${localhost%??},DNS:example.org" "$ec" sha256 $now $later
    cat constrained.pem >> inside.pem
    cat constrained.pem >> outside.pem
    # Issued by a certificate that is no authority.
    issue usurper good "$localhost" "$ec" sha256 $now $later
    cat good.pem >> usurper.pem
    openssl req -x509 -newkey $ec -nodes -days 30 -subj /CN=self-signed -keyout self-signed.key \
        -out self-signed.pem -addext subjectAltName=DNS:localhost
} 2> zoo.log >&2 || { cat zoo.log >&2; exit 1; }
