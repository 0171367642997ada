import ACMEAPI
import AdminAPI
import Console
import HTTPSupport
import NIOHTTP1
import NotificationAPI
import ODataAPI
import OIDCAPI
import SCIMAPI
import STACAPI
import SigningAPI
import TilesAPI
import TraceAPI
import TransactionAPI
import WebDAVAPI
import Wire

/// Sends each request of the web port to the face that its path belongs to (DESIGN, HTTP surface).
struct WebRouter: Sendable {
    let oidc: OIDCService
    let admin: AdminService
    let ca: CAService
    let acme: ACMEService
    let scim: SCIMService
    let stac: STACService
    let odata: ODataService
    let notifications: NotificationService
    let traces: TraceService
    let transactions: TransactionService
    let signing: SigningService
    let tiles: TilesService
    let webdav: WebDAVService
    let nextcloud: NextcloudService
    let console: ConsoleService
    let webURL: String
    let addresses: ObjectAddresses
    let ldapURLs: [String]
    let ldapBase: String
    let isReady: @Sendable () async throws -> Void

    func respond(to request: Request) async -> Response {
        guard let path = request.segments else {
            return Problem.badRequest("the path is not valid percent-encoded UTF-8").response
        }
        let rest = Array(path.dropFirst())
        switch path.first {
        case "oidc": return await oidc.respond(to: request, path: rest)
        case "realms": return await oidc.respond(to: request, realm: rest, prefix: "")
        case "auth" where rest.first == "realms":
            return await oidc.respond(to: request, realm: Array(rest.dropFirst()), prefix: "/auth")
        case "admin" where rest.first == "v1": return await admin.respond(to: request, path: Array(rest.dropFirst()))
        case "acme": return await acme.respond(to: request, path: rest)
        case "ca": return await ca.respond(to: request, path: rest)
        case "scim" where rest.first == "v2": return await scim.respond(to: request, path: Array(rest.dropFirst()))
        case "stac": return await stac.respond(to: request, path: rest)
        case "odata" where rest.first == "v1": return await odata.respond(to: request, path: Array(rest.dropFirst()))
        case "notifications" where rest.first == "v1":
            return await notifications.respond(to: request, path: Array(rest.dropFirst()))
        case "raster": return await tiles.respond(to: request, path: rest)
        case "traces": return await traces.respond(to: request, path: rest)
        case "trace-api": return await traces.respond(toOData: request, path: rest)
        case "witness": return await traces.witnessing(request, path: rest)
        case "dav": return await webdav.respond(to: request)
        case "status.php", "ocs", "remote.php": return await nextcloud.respond(to: request, path: path)
        // Microsoft's client asks the top what the server can before it goes on to a folder.
        case nil where request.method == .OPTIONS: return WebDAVService.options
        case "transactions", "history": return await transactions.respond(to: request, path: path)
        case "sign": return await rest.isEmpty ? signing.respond(to: request) : signing.respond(to: request, path: rest)
        case "sas" where rest.first == "v1":
            return await signing.respond(to: request, shared: Array(rest.dropFirst()))
        // teledetection's upload drops the path of its endpoint when it writes. Reading there is the console's.
        case "collections" where request.method != .GET && request.method != .HEAD:
            return await stac.respond(to: request, path: path)
        case "healthz" where rest.isEmpty: return Response(.ok, type: "text/plain; charset=utf-8", text: "ok\n")
        case "readyz" where rest.isEmpty: return await readiness()
        case ".well-known" where rest == ["passkey-endpoints"]: return console.passkeyEndpoints
        // Where password managers send people (W3C, A Well-Known URL for Changing Passwords).
        case ".well-known" where rest == ["change-password"]: return .redirect("/account#password")
        case ".well-known" where rest == ["martlet"]: return directions
        case ".well-known" where rest.first == "scitt-keys" && rest.count <= 2:
            return traces.receiptKeys(request, keyID: rest.count == 2 ? rest[1] : nil)
        case ".well-known":
            if let metadata = oidc.metadata(for: request, path: rest) { return metadata }
            return await console.respond(to: request, path: path)
        default: return await console.respond(to: request, path: path)
        }
    }

    private func readiness() async -> Response {
        do {
            try await isReady()
            return Response(.ok, type: "text/plain; charset=utf-8", text: "ready\n")
        } catch {
            return Problem(.serviceUnavailable, "not-ready", "the metadata store does not answer").response
        }
    }

    /// Where the faces of this node are, for its own command line and its SDKs.
    private var directions: Response {
        var json = JSONWriter()
        json.object {
            $0.member("web", webURL)
            $0.member("s3", addresses.s3)
            $0.member("objects", addresses.all)
            $0.member("stac", webURL + "/stac")
            $0.member("traces", webURL + "/traces")
            $0.member("notifications", webURL + "/notifications/v1")
            if !ldapURLs.isEmpty {
                $0.member("ldap", ldapURLs)
                $0.member("ldapBase", ldapBase)
            }
        }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }
}
