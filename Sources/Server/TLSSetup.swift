import Certificates
import Identity
import NIOSSL
import Wire

/// The certificates that the listeners show.
struct TLSSetup {
    var context: NIOSSLContext
    /// The file with the authority that clients have to trust, for the node's own certificates.
    var authorityFile: String?

    /// Days that a server certificate of the node's own lasts; it is made anew at each start.
    private static let days = 397

    /// Nil where TLS is off.
    static func make(_ configuration: Configuration, identity: Identity) async throws -> TLSSetup? {
        switch configuration.tls {
        case .off: return nil
        case .files(let certificate, let key):
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            return TLSSetup(context: try context(chain: chain, key: privateKey))
        case .own:
            let authority = try await Authority.load(identity)
            let issued = try authority.issueServer(hosts: hosts(configuration), days: days)
            let chain = try [issued.certificate, authority.certificate].map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: Array(issued.keyPEM.utf8), format: .pem)
            let file = configuration.data + "/authority.pem"
            try Folder.write(authority.certificatePEM, to: file)
            return TLSSetup(context: try context(chain: chain, key: key), authorityFile: file)
        }
    }

    private static func context(chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKey) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: configuration)
    }

    /// Every name that clients may have for this machine.
    private static func hosts(_ configuration: Configuration) -> [String] {
        var hosts = ["localhost", "127.0.0.1", "::1", NodeName.host]
        for address in [configuration.web, configuration.s3] where address.host != "0.0.0.0" && address.host != "::" {
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
