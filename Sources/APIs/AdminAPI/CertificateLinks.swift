import Authority
import Certificates
import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/certificates/links` and `/certificates/links/{id}`: whose the certificates of other authorities are.
    func certificates(_ call: Call) async throws -> Response {
        guard let certificates = authenticator.certificates else {
            throw Problem.conflict("this node asks for no client certificates: it serves no TLS, or was told not to")
        }
        switch (call.path.count, call.path.first, call.method) {
        case (1, "links", .GET):
            let account = call.request.query?["account"]
            try await require(call, "iam:ListSigningCertificates", on: ResourceName.account(account ?? "*"))
            let page = try await certificates.links(account: account, after: call.after)
            return Self.answer { json in
                json.key("links")
                json.array { json in for link in page { json.object { write(link, &$0) } } }
            }
        case (1, "links", .POST):
            let body = try await call.body()
            let account = try body.required("account")
            try await require(call, "iam:UploadSigningCertificate", on: ResourceName.account(account))
            let shown: PresentedCertificate
            do {
                let documents = try CertificateChain.documents(try body.required("certificate"))
                guard let leaf = documents.first else {
                    throw Problem.badRequest("there is no certificate in the text")
                }
                shown = PresentedCertificate(der: leaf, others: Array(documents.dropFirst()))
            } catch let error as CertificatesError {
                throw Problem.badRequest("the member 'certificate': \(error)")
            }
            let link = try await certificates.link(shown, to: account, by: call.actor)
            return Self.answer(.created) { write(link, &$0) }
        case (2, "links", .DELETE):
            let owner = try await certificates.owner(ofLink: call.path[1])
            try await require(call, "iam:DeleteSigningCertificate", on: ResourceName.account(owner))
            try await certificates.unlink(call.path[1], by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func write(_ link: CertificateLink, _ json: inout JSONWriter) {
        json.member("id", link.id)
        json.member("account", link.account)
        json.member("subject", link.subject)
        json.member("issuer", link.issuer)
        json.member("created", link.created.rfc3339)
    }
}
