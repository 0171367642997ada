import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/scanning/{collection}`: what becomes of infected objects.
    func scanning(_ call: Call) async throws -> Response {
        guard call.path.count == 1 else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        let name = call.path[0]
        let resource = ResourceName.scanning(name)
        switch call.method {
        case .GET:
            try await require(call, "martlet:GetScanPolicy", on: resource)
        case .PUT:
            try await require(call, "martlet:PutScanPolicy", on: resource)
            let text = try await call.body().required("policy")
            guard let policy = ScanPolicy(rawValue: text) else {
                let known = ScanPolicy.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badRequest("'\(text.prefix(40))' is no policy: \(known)")
            }
            try await objects.setScanPolicy(policy, of: name, by: call.actor)
        case .DELETE:
            try await require(call, "martlet:PutScanPolicy", on: resource)
            try await objects.setScanPolicy(nil, of: name, by: call.actor)
        default: throw Problem.methodNotAllowed("GET, PUT, DELETE")
        }
        let (policy, isOwn) = try await objects.scanPolicy(of: name)
        return Response.json {
            $0.member("collection", name)
            $0.member("policy", policy.rawValue)
            $0.member("own", isOwn)
        }
    }
}
