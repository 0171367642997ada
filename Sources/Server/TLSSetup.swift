import Authority
import Certificates
import NIOSSL
import Wire

/// The certificates that the listeners show.
struct TLSSetup {
    /// Of the web port and the S3 port; nil where these are served without TLS.
    var web: NIOSSLContext?
    /// Of the directory, which always has TLS: passwords go over it.
    var directory: NIOSSLContext?
    /// Whose client certificates are; nil where none are asked for.
    var clients: ClientCertificates?
    /// The file with the authority that clients have to trust, for the node's own certificates.
    var authorityFile: String?

    /// Days that a server certificate of the node's own lasts; it is made anew at each start.
    private static let days = 397

    static func make(_ configuration: Configuration, authority: Authority) async throws -> TLSSetup {
        var clients: ClientCertificates?
        let hasTLS = hasDirectory(configuration) || configuration.tls != .off
        if hasTLS || !configuration.certificateProxies.isEmpty, let files = configuration.clientCertificates {
            clients = ClientCertificates(authority: authority, others: try files.flatMap { try authorities($0) })
        }
        guard hasTLS else { return TLSSetup(clients: clients) }
        let trusted = try await clients?.anchors().certificates
        switch configuration.tls {
        case .files(let certificate, let key):
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            return try setup(configuration, chain: chain, key: privateKey, clients: clients, trusted: trusted)
        case .own, .off:
            let (issued, above) = try await authority.issueServer(hosts: hosts(configuration), days: days)
            let chain = try ([issued.certificate] + above).map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: Array(issued.keyPEM.utf8), format: .pem)
            let file = configuration.data + "/authority.pem"
            try Folder.write(try CertificateChain.pem(try await authority.certificates().root), to: file)
            var setup = try setup(configuration, chain: chain, key: key, clients: clients, trusted: trusted)
            setup.authorityFile = file
            return setup
        }
    }

    private static func setup(
        _ configuration: Configuration, chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKey,
        clients: ClientCertificates?, trusted: [[UInt8]]?
    ) throws -> TLSSetup {
        TLSSetup(
            web: configuration.tls == .off
                ? nil : try context(chain: chain, key: key, trusted: trusted, protocols: ["http/1.1"]),
            directory: hasDirectory(configuration)
                ? try context(chain: chain, key: key, trusted: trusted, protocols: []) : nil, clients: clients)
    }

    private static func hasDirectory(_ configuration: Configuration) -> Bool {
        configuration.ldap != nil || configuration.ldaps != nil
    }

    /// The authorities of a file, in DER.
    private static func authorities(_ file: String) throws -> [[UInt8]] {
        do {
            return try TrustAnchors.roots(pem: try Folder.read(file))
        } catch let error as CertificatesError {
            throw ConfigurationError("--client-certificates: \(file): \(error)")
        }
    }

    private static func context(
        chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKey, trusted: [[UInt8]]?, protocols: [String]
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = protocols
        if let trusted {
            // Asked for, not required, and looked at when a request needs it. Browsers are told which authorities
            // count, so that they ask their users only where there is a choice.
            configuration.certificateVerification = .optionalVerification
            configuration.trustRoots = .certificates(
                try trusted.map { try NIOSSLCertificate(bytes: $0, format: .der) })
            configuration.sendCANameList = true
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// Every name that clients may have for this machine.
    private static func hosts(_ configuration: Configuration) -> [String] {
        var hosts = ["localhost", "127.0.0.1", "::1", NodeName.host]
        let addresses = [
            configuration.web, configuration.s3, configuration.ldap, configuration.ldaps, configuration.stomp,
        ]
        for case let address? in addresses where address.host != "0.0.0.0" && address.host != "::" {
            hosts.append(address.host)
        }
        // Clients take a wildcard for a name of at least three labels.
        for domain in configuration.s3Domains { hosts += [domain] + (domain.contains(".") ? ["*." + domain] : []) }
        let urls = [configuration.webURL, configuration.s3URL, configuration.assetURL] + configuration.s3Aliases
        for url in urls.compactMap({ $0 }) {
            let authority = url.split(separator: "/").last ?? ""
            if authority.hasPrefix("[") {
                hosts.append(String(authority.dropFirst().prefix { $0 != "]" }))
            } else {
                hosts.append(String(authority.prefix { $0 != ":" }))
            }
        }
        return Array(Set(hosts)).sorted()
    }
}
