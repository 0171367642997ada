import Certificates
import Identity
import NIOSSL
import Wire

/// The certificates that the listeners show.
struct TLSSetup {
    /// Of the web port and the S3 port; nil where these are served without TLS.
    var web: NIOSSLContext?
    /// Of the directory, which always has TLS: passwords go over it.
    var directory: NIOSSLContext?
    /// The file with the authority that clients have to trust, for the node's own certificates.
    var authorityFile: String?

    /// Days that a server certificate of the node's own lasts; it is made anew at each start.
    private static let days = 397

    static func make(_ configuration: Configuration, identity: Identity) async throws -> TLSSetup {
        let hasDirectory = configuration.ldap != nil || configuration.ldaps != nil
        switch configuration.tls {
        case .off where !hasDirectory: return TLSSetup()
        case .files(let certificate, let key):
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            return try setup(configuration, chain: chain, key: privateKey, hasDirectory: hasDirectory)
        case .own, .off:
            let authority = try await Authority.load(identity)
            let issued = try authority.issueServer(hosts: hosts(configuration), days: days)
            let chain = try [issued.certificate, authority.certificate].map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: Array(issued.keyPEM.utf8), format: .pem)
            let file = configuration.data + "/authority.pem"
            try Folder.write(authority.certificatePEM, to: file)
            var setup = try setup(configuration, chain: chain, key: key, hasDirectory: hasDirectory)
            setup.authorityFile = file
            return setup
        }
    }

    private static func setup(
        _ configuration: Configuration, chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKey, hasDirectory: Bool
    ) throws -> TLSSetup {
        TLSSetup(
            web: configuration.tls == .off ? nil : try context(chain: chain, key: key, protocols: ["http/1.1"]),
            directory: hasDirectory ? try context(chain: chain, key: key, protocols: []) : nil)
    }

    private static func context(
        chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKey, protocols: [String]
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = protocols
        return try NIOSSLContext(configuration: configuration)
    }

    /// Every name that clients may have for this machine.
    private static func hosts(_ configuration: Configuration) -> [String] {
        var hosts = ["localhost", "127.0.0.1", "::1", NodeName.host]
        let addresses = [configuration.web, configuration.s3, configuration.ldap, configuration.ldaps]
        for case let address? in addresses where address.host != "0.0.0.0" && address.host != "::" {
            hosts.append(address.host)
        }
        // Clients take a wildcard for a name of at least three labels.
        for domain in configuration.s3Domains { hosts += [domain] + (domain.contains(".") ? ["*." + domain] : []) }
        for url in [configuration.webURL, configuration.s3URL].compactMap({ $0 }) {
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

/// The node's own X.509 authority, made when it is first needed.
enum Authority {
    static func load(_ identity: Identity) async throws -> CertificateAuthority {
        let stored = try await identity.nodeKey("authority") {
            let made = try CertificateAuthority.create(name: "Martlet authority of \(NodeName.host)", now: .now)
            return (made.key, made.certificate)
        }
        return try CertificateAuthority(key: stored.key, certificate: stored.certificate ?? [])
    }
}
