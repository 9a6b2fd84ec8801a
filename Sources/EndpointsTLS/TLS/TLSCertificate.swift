// A certificate as OpenSSL keeps it: what it says is decoded when somebody asks, for most
// connections come and go without anybody asking.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// An X.509 certificate (RFC 5280).
public struct TLSCertificate: Sendable, Hashable, CustomStringConvertible {
    // Unchecked: OpenSSL's certificates may be shared by threads (openssl-threads(7)).
    private final class Storage: @unchecked Sendable {
        let pointer: OpaquePointer
        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { X509_free(pointer) }
    }
    private let storage: Storage

    /// A moment, in whole seconds.
    public struct Time: Sendable, Hashable, Comparable, CustomStringConvertible {
        /// Seconds since 1970, leap seconds not counted.
        public var secondsSince1970: Int

        /// Whether it is earlier.
        public static func < (left: Time, right: Time) -> Bool {
            left.secondsSince1970 < right.secondsSince1970
        }

        /// `2026-11-24 09:30:00 UTC`.
        public var description: String {
            var seconds = time_t(secondsSince1970)
            var parts = tm()
            gmtime_r(&seconds, &parts)
            func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
            let day = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            return "\(day) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
        }

        static var now: Time { Time(secondsSince1970: Int(endpoints_unix_time())) }
    }

    /// Takes over a reference.
    init(owning pointer: OpaquePointer) { storage = Storage(pointer) }

    /// Takes a reference of its own.
    init(sharing pointer: OpaquePointer) {
        X509_up_ref(pointer)
        storage = Storage(pointer)
    }

    var pointer: OpaquePointer { storage.pointer }

    /// Whether they are the same, byte for byte.
    public static func == (left: TLSCertificate, right: TLSCertificate) -> Bool {
        X509_cmp(left.pointer, right.pointer) == 0
    }

    /// Hashes the fingerprint.
    public func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    /// The certificate in DER.
    public var der: [UInt8] {
        let count = Int(i2d_X509(pointer, nil))
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var start = buffer.baseAddress
            initialized = Int(max(i2d_X509(pointer, &start), 0))
        }
    }

    /// Whom it is for, as RFC 4514 writes names: `CN=example.com,O=Example`.
    ///
    /// The peer chooses it. Control characters and marks that turn the direction of text are escaped.
    public var subject: String { Self.text(X509_get_subject_name(pointer)) }

    /// Who made it, in the same form.
    public var issuer: String { Self.text(X509_get_issuer_name(pointer)) }

    /// The serial number in hexadecimal digits.
    public var serialNumber: String {
        guard let number = X509_get0_serialNumber(pointer) else { return "" }
        let count = Int(ASN1_STRING_length(number))
        guard let bytes = ASN1_STRING_get0_data(number) else { return "" }
        return UnsafeBufferPointer(start: bytes, count: count).hexadecimal
    }

    /// The DNS names and IP addresses that it is for (subjectAltName, RFC 5280, section 4.2.1.6).
    ///
    /// The peer chooses them, and they are not escaped.
    public var names: [String] {
        var names: [String] = []
        withUnsafeMutablePointer(to: &names) { names in
            endpoints_x509_names(pointer, names) { context, kind, bytes, count in
                guard let context, let bytes else { return }
                let names = context.assumingMemoryBound(to: [String].self)
                let value = UnsafeBufferPointer(start: bytes, count: Int(count))
                if kind == GEN_DNS {
                    names.pointee.append(String(decoding: value, as: UTF8.self))
                } else if let address = SocketAddress(addressBytes: value)?.ip {
                    names.pointee.append(address)
                }
            }
        }
        return names
    }

    /// When it begins to be valid.
    public var notBefore: Time { Time(X509_get0_notBefore(pointer)) }

    /// When it ends to be valid.
    public var notAfter: Time { Time(X509_get0_notAfter(pointer)) }

    private var digest: [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        X509_digest(pointer, EVP_sha256(), &digest, &count)
        return digest
    }

    /// The SHA-256 of the certificate in hexadecimal digits.
    public var fingerprint: String { digest.hexadecimal }

    /// The SHA-256 of the public key.
    public var pin: TLSPin? {
        let key = X509_get_X509_PUBKEY(pointer)
        let count = Int(i2d_X509_PUBKEY(key, nil))
        guard count > 0 else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var start = buffer.baseAddress
            initialized = Int(max(i2d_X509_PUBKEY(key, &start), 0))
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil) == 1 else {
            return nil
        }
        return TLSPin(digest: digest)
    }

    /// The subject and until when it is valid.
    public var description: String { "\(subject), valid until \(notAfter)" }

    /// The same for equal public keys, however they are encoded.
    var keyDigest: [UInt8] { X509_get0_pubkey(pointer).map(Self.digest(ofKey:)) ?? [] }

    static func digest(ofKey key: OpaquePointer) -> [UInt8] {
        endpoints_clear_errors()
        defer { ERR_clear_error() }
        var digest = [UInt8](repeating: 0, count: 32)
        return endpoints_key_digest(key, &digest) == 1 ? digest : []
    }

    /// The same for equal names, however they are encoded.
    var subjectHash: UInt { X509_subject_name_hash(pointer) }
    var issuerHash: UInt { X509_issuer_name_hash(pointer) }

    func isIssued(by other: TLSCertificate) -> Bool {
        X509_check_issued(other.pointer, pointer) == X509_V_OK
    }

    private static func text(_ name: OpaquePointer?) -> String {
        guard let name, let bio = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(bio) }
        endpoints_print_name(bio, name)
        var bytes: UnsafeMutablePointer<CChar>?
        let count = endpoints_bio_bytes(bio, &bytes)
        guard let bytes, count > 0 else { return "" }
        // OpenSSL has escaped backslashes and what is below U+0080.
        let text = Array(UnsafeRawBufferPointer(start: bytes, count: count))
        return String(escapingControlsIn: text, backslashes: false)
    }
}

extension TLSCertificate.Time {
    /// Makes one of OpenSSL's; 1970 if that cannot be read.
    init(_ time: UnsafePointer<ASN1_TIME>?) {
        var parts = tm()
        let isRead = time.map { endpoints_asn1_time($0, &parts) == 1 } ?? false
        self.init(secondsSince1970: isRead ? timegm(&parts) : 0)
    }
}

extension SocketAddress {
    /// An address of 4 or 16 bytes.
    fileprivate init?(addressBytes: UnsafeBufferPointer<UInt8>) {
        var storage = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = addressBytes.count == 4 ? AF_INET : AF_INET6
        guard addressBytes.count == 4 || addressBytes.count == 16,
            inet_ntop(family, addressBytes.baseAddress, &storage, socklen_t(storage.count)) != nil
        else { return nil }
        let text = storage.withUnsafeBytes {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        self.init(literal: text, port: 0)
    }
}
