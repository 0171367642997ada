import BucketConfiguration
import HTTPSupport
import NIOHTTP1
import Objects

// Cross-origin requests of browsers (Fetch standard, "CORS protocol"; Amazon S3 User Guide, "Using CORS").
extension S3Service {
    private static let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
    /// Names in Access-Control-Request-Headers that are looked at.
    private static let headersMax = 100

    /// Answers the question that a browser asks before a request. It carries no credentials, so nobody is asked for
    /// any; a bucket that is not there has no rules either, and is not told from one that has none.
    func preflight(_ bucket: String, _ request: Request) async throws -> Response {
        let badRequest = S3Error.Code("BadRequest", .badRequest)
        let forbidden = S3Error.Code("AccessForbidden", .forbidden)
        guard let origin = request.header("origin") else {
            throw S3Error(badRequest, "Insufficient information. Origin request header needed.")
        }
        guard let method = request.header("access-control-request-method") else {
            throw S3Error(badRequest, "Invalid Access-Control-Request-Method: null")
        }
        let names = request.headers[canonicalForm: "access-control-request-headers"].map(String.init)
        guard let cors = try await corsConfiguration(bucket) else {
            throw S3Error(forbidden, "CORSResponse: CORS is not enabled for this bucket.")
        }
        guard names.count <= Self.headersMax,
            let rule = cors.matching(origin: origin, method: method, requestHeaders: names.filter { !$0.isEmpty })
        else {
            throw S3Error(
                forbidden,
                "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
            )
        }
        var response = Response(.ok)
        Self.add(rule, origin, to: &response.headers)
        if !names.isEmpty {
            response.headers.add(name: "Access-Control-Allow-Headers", value: names.joined(separator: ", "))
        }
        return response
    }

    /// Adds to any answer, also to an error, what lets a page of another site read it.
    func addCORS(to response: inout Response, _ request: Request) async {
        guard let origin = request.header("origin"), request.method != .OPTIONS,
            let bucket = Operation.names(request, domains.bucket(of: request))?.bucket, !bucket.isEmpty
        else { return }
        // An answer without these headers is one that the page cannot read: nothing else is lost where this fails.
        guard let cors = try? await corsConfiguration(bucket),
            let rule = cors.matching(origin: origin, method: request.method.rawValue)
        else { return }
        Self.add(rule, origin, to: &response.headers)
    }

    private static func add(_ rule: CORSRule, _ origin: String, to headers: inout HTTPHeaders) {
        headers.replaceOrAdd(
            name: "Access-Control-Allow-Origin", value: rule.isForEveryOrigin ? "*" : origin)
        if !rule.isForEveryOrigin { headers.replaceOrAdd(name: "Access-Control-Allow-Credentials", value: "true") }
        headers.replaceOrAdd(name: "Access-Control-Allow-Methods", value: rule.methods.joined(separator: ", "))
        if !rule.exposedHeaders.isEmpty {
            headers.replaceOrAdd(
                name: "Access-Control-Expose-Headers", value: rule.exposedHeaders.joined(separator: ", "))
        }
        if let seconds = rule.maxAgeSeconds {
            headers.replaceOrAdd(name: "Access-Control-Max-Age", value: String(seconds))
        }
        headers.replaceOrAdd(name: "Vary", value: vary)
    }

    private func corsConfiguration(_ bucket: String) async throws -> CORSConfiguration? {
        do {
            let document = try await objects.setting(BucketSetting.cors.name, of: bucket)
            return try document.map { try CORSConfiguration(parsing: Array($0.utf8)) }
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            return nil
        }
    }
}
