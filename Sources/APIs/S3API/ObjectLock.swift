import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    /// Whether a request asks to bypass governance; then policy must allow it.
    func bypassesGovernance(_ request: Request, _ caller: Caller, on bucket: String) async throws -> Bool {
        guard request.header("x-amz-bypass-governance-retention")?.lowercased() == "true" else { return false }
        try await gate.require(
            caller.principal, "s3:BypassGovernanceRetention", on: ResourceName.object(bucket, "*"), caller.context)
        return true
    }
}
