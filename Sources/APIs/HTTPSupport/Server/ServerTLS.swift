package import Certificates
import NIOCore
package import NIOSSL

/// TLS at the node's end of one connection. Where the listener asks for certificates, it takes any: some clients are
/// known by one that no authority issued (RFC 8705 §2.2). Used on the connection's event loop only.
package final class ServerTLS {
    package let handler: NIOSSLServerHandler
    private let shown: Shown

    /// What comes while the connection is being opened.
    private final class Shown {
        var chain: [NIOSSLCertificate] = []
    }

    package init(_ context: NIOSSLContext) {
        let shown = Shown()
        self.shown = shown
        handler = NIOSSLServerHandler(context: context) { chain, promise in
            shown.chain = chain
            promise.succeed(.certificateVerified)
        }
    }

    /// The certificate that the client showed: nil for none. To be asked for when the connection is open.
    package private(set) lazy var certificate: PresentedCertificate? = {
        // Who resumes a session does not send it again; what was shown then is part of the session.
        let chain = shown.chain.isEmpty ? [handler.peerCertificate].compactMap(\.self) : shown.chain
        let documents = chain.compactMap { try? $0.toDERBytes() }
        guard let leaf = documents.first else { return nil }
        return PresentedCertificate(der: leaf, others: Array(documents.dropFirst()))
    }()
}
