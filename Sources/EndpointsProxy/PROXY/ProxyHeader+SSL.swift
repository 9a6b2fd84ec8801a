import EndpointStrings
import EndpointsCore
import EndpointsNet

extension ProxyHeader {
    /// What the proxy says of TLS between the client and itself (proxy-protocol.txt, section
    /// 2.2.6, `PP2_TYPE_SSL`).
    public struct SSL: Hashable, Sendable {
        /// What is known of the client.
        public struct Client: OptionSet, Hashable, Sendable {
            /// The bits on the wire.
            public var rawValue: UInt8

            /// Any bits.
            public init(rawValue: UInt8) { self.rawValue = rawValue }

            /// The client connected over TLS.
            public static let ssl = Client(rawValue: 0x01)
            /// The client showed a certificate on this connection.
            public static let certificateOnConnection = Client(rawValue: 0x02)
            /// The client showed a certificate in this TLS session, perhaps on an earlier connection.
            public static let certificateInSession = Client(rawValue: 0x04)
        }

        /// What is known of the client.
        public var client: Client

        /// The outcome of verifying the client's certificate; 0 says that nothing was wrong with it,
        /// or that there was none: see ``isClientVerified``.
        public var verify: UInt32

        /// The details, in order, unknown ones included.
        public var tlvs: [TLV]

        /// Makes a TLS description to send.
        ///
        /// - Parameters:
        ///   - client: What is known of the client.
        ///   - verify: 0 if a certificate was shown and verified.
        ///   - tlvs: The details, of the types 0x21 to 0x28.
        public init(client: Client, verify: UInt32, tlvs: [TLV] = []) {
            self.client = client
            self.verify = verify
            self.tlvs = tlvs
        }

        /// Whether the client showed a certificate and the proxy verified it.
        public var isClientVerified: Bool {
            let certificate: Client = [.certificateOnConnection, .certificateInSession]
            return verify == 0 && !client.isDisjoint(with: certificate)
        }

        /// The version of TLS, such as `TLSv1.3`.
        public var version: String? { tlvs.text(of: .sslVersion) }
        /// The common name of the client's certificate.
        public var commonName: String? { tlvs.text(of: .sslCommonName) }
        /// The cipher, such as `ECDHE-RSA-AES128-GCM-SHA256`.
        public var cipher: String? { tlvs.text(of: .sslCipher) }
        /// The algorithm that signed the certificate, such as `SHA256`.
        public var signatureAlgorithm: String? { tlvs.text(of: .sslSignatureAlgorithm) }
        /// The algorithm and size of the certificate's key, such as `RSA2048`.
        public var keyAlgorithm: String? { tlvs.text(of: .sslKeyAlgorithm) }
        /// The group of the key exchange, such as `secp256r1`.
        public var keyExchangeGroup: String? { tlvs.text(of: .sslGroup) }
        /// The signature scheme of the handshake, such as `rsa_pss_rsae_sha256`.
        public var signatureScheme: String? { tlvs.text(of: .sslSignatureScheme) }
        /// The client's certificate in DER.
        public var certificate: [UInt8]? { tlvs.value(of: .sslCertificate) }

        /// The TLV that carries all this; `nil` if it is longer than a TLV can be.
        public var tlv: TLV? {
            var value = [client.rawValue] + verify.bigEndianBytes
            for tlv in tlvs {
                guard let bytes = try? tlv.serialized() else { return nil }
                value += bytes
            }
            return value.count <= Int(UInt16.max) ? TLV(type: .ssl, value: value) : nil
        }
    }
}

extension ProxyHeader.SSL {
    /// The client's bits and the outcome.
    static let fixedLength = 5

    /// Reads the value of a TLV of type `ssl`; `nil` if it is too short or its TLVs do not fill it.
    init?(_ value: [UInt8]) {
        guard value.count >= Self.fixedLength else { return nil }
        client = Client(rawValue: value[0])
        verify = value[1..<Self.fixedLength].reduce(0) { $0 << 8 | UInt32($1) }
        tlvs = []
        var rest = value[Self.fixedLength...]
        while !rest.isEmpty {
            let head = Array(rest.prefix(ProxyHeader.TLV.headLength))
            guard head.count == ProxyHeader.TLV.headLength else { return nil }
            rest = rest.dropFirst(head.count)
            let length = Int(head[1]) << 8 | Int(head[2])
            guard rest.count >= length else { return nil }
            let type = ProxyHeader.TLVType(rawValue: head[0])
            tlvs.append(ProxyHeader.TLV(type: type, value: Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
        }
    }
}

extension ProxyHeader.TLVType {
    /// Inside ``ssl``: the version of TLS.
    public static let sslVersion = Self(rawValue: 0x21)
    /// Inside ``ssl``: the common name of the client's certificate.
    public static let sslCommonName = Self(rawValue: 0x22)
    /// Inside ``ssl``: the cipher.
    public static let sslCipher = Self(rawValue: 0x23)
    /// Inside ``ssl``: the algorithm that signed the certificate.
    public static let sslSignatureAlgorithm = Self(rawValue: 0x24)
    /// Inside ``ssl``: the algorithm of the certificate's key.
    public static let sslKeyAlgorithm = Self(rawValue: 0x25)
    /// Inside ``ssl``: the group of the key exchange.
    public static let sslGroup = Self(rawValue: 0x26)
    /// Inside ``ssl``: the signature scheme of the handshake.
    public static let sslSignatureScheme = Self(rawValue: 0x27)
    /// Inside ``ssl``: the client's certificate in DER.
    public static let sslCertificate = Self(rawValue: 0x28)
}
