import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Wire

/// Speaks to a node as any client would: over its web port and its S3 port, with a bearer token.
final class NodeClient: Sendable {
    let web: String
    /// Where the node's S3 face is.
    let s3: String
    let http: HTTPClient
    let token: String?

    /// Largest answer that is taken into memory.
    static let answerBytesMax = 64 << 20

    private init(web: String, s3: String, http: HTTPClient, token: String?) {
        self.web = web
        self.s3 = s3
        self.http = http
        self.token = token
    }

    /// Runs `body` with a client of the node that `MARTLET_URL` names, or that `martlet login` was given.
    ///
    /// Logs in with `MARTLET_USER` and `MARTLET_PASSWORD` where they are set, otherwise with what `martlet login`
    /// stored.
    static func with<T>(
        login: Bool = true, url: String? = nil, user: String? = nil, password: String? = nil, authority: String? = nil,
        certificate: (chain: String, key: String)? = nil, _ body: (NodeClient) async throws -> T
    ) async throws -> T {
        let environment = Environment.all
        let stored = StoredLogin.read()
        guard let web = (url ?? environment["MARTLET_URL"] ?? stored?.url).map(withoutSlash) else {
            throw Failure(.failed, "no node is named: set MARTLET_URL, for example to http://127.0.0.1:8080")
        }
        let file = authority ?? environment["MARTLET_CA"] ?? (stored?.url == web ? stored?.authority : nil)
        let http = try httpClient(authority: file, certificate: certificate)
        do {
            let anonymous = NodeClient(web: web, s3: "", http: http, token: nil)
            let directions = try await anonymous.json(.GET, "/.well-known/martlet")
            var token: String?
            if login {
                if let user = user ?? environment["MARTLET_USER"],
                    let password = password ?? environment["MARTLET_PASSWORD"]
                {
                    token = try await anonymous.token(user: user, password: password).token
                } else if let bearer = BearerToken.named {
                    token = bearer
                } else if let stored, stored.url == web {
                    guard stored.expires > Timestamp.now.seconds else {
                        throw Failure(.notAllowed, "the login has expired: run 'martlet login' again")
                    }
                    token = stored.token
                } else if let bearer = BearerToken.usual {
                    token = bearer
                } else {
                    throw Failure(
                        .notAllowed, "not logged in: run 'martlet login', or set MARTLET_USER and MARTLET_PASSWORD")
                }
            }
            let client = NodeClient(web: web, s3: directions["s3"]?.string ?? "", http: http, token: token)
            let result = try await body(client)
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw Self.readable(error, web)
        }
    }

    /// Runs `body` with a client of a service that is no node, at its address, such as the public traceability service.
    ///
    /// - Parameter login: takes the token that the environment names (BEARER_TOKEN, or the file BEARER_TOKEN_FILE).
    static func with<T>(service url: String, login: Bool, _ body: (NodeClient) async throws -> T) async throws -> T {
        let token = login ? BearerToken.named : nil
        guard !login || token != nil else {
            throw Failure(.notAllowed, "no token for \(url): set BEARER_TOKEN, or BEARER_TOKEN_FILE")
        }
        let http = try httpClient(authority: Environment.all["MARTLET_CA"], certificate: nil)
        let web = withoutSlash(url)
        do {
            let result = try await body(NodeClient(web: web, s3: "", http: http, token: token))
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw readable(error, web)
        }
    }

    /// A client that follows no redirections.
    ///
    /// - Parameters:
    ///   - authority: file with the certificates by which servers are known; nil for the system's.
    ///   - certificate: files with the certificate that is shown, and its key.
    static func httpClient(
        authority: String?, certificate: (chain: String, key: String)? = nil
    ) throws -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(10)
        configuration.redirectConfiguration = .disallow
        if authority != nil || certificate != nil {
            var tls = TLSConfiguration.makeClientConfiguration()
            if let authority { tls.trustRoots = .file(authority) }
            if let certificate {
                tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.chain).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: certificate.key, format: .pem))
            }
            configuration.tlsConfiguration = tls
        }
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    static func withoutSlash(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }

    static func readable(_ error: any Error, _ web: String) -> any Error {
        func unreachable(_ reason: String = "") -> Failure {
            var failure = Failure(.failed, "\(web) does not answer" + reason)
            failure.isUnreachable = true
            return failure
        }
        return switch error {
        case let error as NIOConnectionError:
            unreachable(": \(error.host):\(error.port) refuses connections")
        case let error as HTTPClientError where error == .connectTimeout: unreachable()
        case let error as IOError: unreachable(": \(String(cString: strerror(error.errnoCode)))")
        case is NIOSSLError:
            Failure(
                .failed, "the certificate of \(web) is not trusted: name the authority's file in MARTLET_CA (\(error))")
        default: error
        }
    }

    /// Gets a token by name and password, and a code where the account's login needs one.
    ///
    /// - Parameter code: asks for one; nil where nobody can be asked.
    func token(
        user: String, password: String, code: (() throws -> String)? = nil
    ) async throws -> (token: String, expires: Int64) {
        var fields: [(name: String, value: String?)] = [
            ("grant_type", "password"), ("username", user), ("password", password), ("client_id", "martlet"),
        ]
        do {
            return try await token(QueryItems(fields))
        } catch let failure as Failure {
            guard let code, failure.description.contains(Self.codeNeeded) else { throw failure }
            fields.append(("totp", try code()))
            return try await token(QueryItems(fields))
        }
    }

    /// What a node says that wants a code too.
    private static let codeNeeded = "a code of the app"

    private func token(_ form: QueryItems) async throws -> (token: String, expires: Int64) {
        let answer = try await send(
            .POST, web + "/oidc/token", headers: ["Content-Type": "application/x-www-form-urlencoded"],
            body: .bytes(Array(form.encoded.utf8)))
        let json = try? JSONValue(parsing: answer.bytes)
        guard answer.status == .ok, let token = json?["access_token"]?.string else {
            throw Failure(
                .notAllowed, json?["error_description"]?.string ?? "the node answers \(answer.status) to the login")
        }
        return (token, Timestamp.now.seconds + (json?["expires_in"]?.integer ?? 0))
    }

    struct Answer: Sendable {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders
        var bytes: [UInt8]
    }

    /// Sends a request and reads the whole answer.
    func send(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders = [:], body: HTTPClientRequest.Body? = nil
    ) async throws -> Answer {
        let response = try await start(method, url, headers: headers, body: body)
        let buffer = try await response.body.collect(upTo: Self.answerBytesMax)
        return Answer(status: response.status, headers: response.headers, bytes: Array(buffer.readableBytesView))
    }

    /// Sends a request and gives the answer with its body still to be read.
    func start(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders = [:], body: HTTPClientRequest.Body? = nil
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers = headers
        if let token { request.headers.replaceOrAdd(name: "Authorization", value: "Bearer " + token) }
        request.body = body
        return try await http.execute(request, deadline: .distantFuture)
    }

    /// Calls an address of the web port that answers with JSON.
    @discardableResult
    func json(
        _ method: HTTPMethod, _ path: String, body: JSONValue? = nil, raw: [UInt8]? = nil
    ) async throws -> JSONValue {
        let bytes = raw ?? body?.bytes
        let answer = try await send(
            method, path.hasPrefix("http") ? path : web + path,
            headers: bytes == nil ? [:] : ["Content-Type": "application/json"], body: bytes.map { .bytes($0) })
        guard (200..<300).contains(answer.status.code) else { throw Self.failure(answer) }
        return answer.bytes.isEmpty ? .null : try JSONValue(parsing: answer.bytes)
    }

    /// Reads a list: each page begins after the last thing of the one before, until one is not full.
    ///
    /// - Parameters:
    ///   - member: of the answer, that has the list; nil where the answer is the list.
    ///   - key: the member by which a thing is named.
    ///   - limit: asks for pages of this size; nil for those of the node, which are of 1000.
    ///   - show: gets the list of each page.
    func pages(
        _ path: String, _ query: [(name: String, value: String?)] = [], member: String? = nil, by key: String,
        limit: Int? = nil, _ show: (JSONValue) -> Void
    ) async throws {
        var after = ""
        while true {
            let items = QueryItems(query + (limit.map { [("limit", "\($0)")] } ?? []) + [("after", after)])
            let answer = try await json(.GET, path + "?" + items.encoded)
            let page = member.map { answer[$0] ?? .array([]) } ?? answer
            show(page)
            guard let things = page.array, things.count >= limit ?? 1000, let last = things.last?[key]?.string else {
                return
            }
            after = last
        }
    }

    /// What a refused request means for the command.
    static func failure(_ answer: Answer) -> Failure {
        let code: Failure.Code =
            switch answer.status {
            case .unauthorized, .forbidden: .notAllowed
            case .notFound: .notFound
            default: .failed
            }
        let json = try? JSONValue(parsing: answer.bytes)
        let text =
            json?["detail"]?.string ?? json?["error_description"]?.string ?? json?["description"]?.string
            ?? (try? XMLElement(parsing: answer.bytes))?["Message"]?.text
        var failure = Failure(code, text ?? "the node answers \(answer.status.code) \(answer.status.reasonPhrase)")
        failure.isUnreachable = [.tooManyRequests, .badGateway, .serviceUnavailable].contains(answer.status)
        return failure
    }
}

/// What `martlet login` remembers: `~/.config/martlet/login.json`, readable by its owner only.
struct StoredLogin {
    var url: String
    var token: String
    var expires: Int64
    var authority: String?

    private static var path: String? {
        let environment = Environment.all
        if let folder = environment["XDG_CONFIG_HOME"] { return folder + "/martlet/login.json" }
        return environment["HOME"].map { $0 + "/.config/martlet/login.json" }
    }

    static func read() -> StoredLogin? {
        guard let path, let bytes = try? File.read(path, limit: 64 << 10), let json = try? JSONValue(parsing: bytes),
            let url = json["url"]?.string, let token = json["token"]?.string, let expires = json["expires"]?.integer
        else { return nil }
        return StoredLogin(url: url, token: token, expires: expires, authority: json["authority"]?.string)
    }

    func write() throws {
        guard let path = Self.path else { throw Failure(.failed, "HOME is not set: there is no place for the login") }
        var json = JSONWriter()
        json.object {
            $0.member("url", url)
            $0.member("token", token)
            $0.member("expires", expires)
            if let authority { $0.member("authority", authority) }
        }
        try File.write(json.bytes, to: path, mode: 0o600)
    }
}
