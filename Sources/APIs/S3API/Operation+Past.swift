import HTTPSupport
import Journal

extension Operation {
    /// The operation on the state as of a TID.
    ///
    /// - Throws: `PastError` `.noPast` for whatever changes something, and for what is kept as it is today only.
    func reading(asOf: Int64) throws(PastError) -> Operation {
        switch self {
        case .getObject(var address, let read):
            address.asOf = asOf
            return .getObject(address, read)
        case .headObject(var address, let read):
            address.asOf = asOf
            return .headObject(address, read)
        case .getObjectAttributes(var address):
            address.asOf = asOf
            return .getObjectAttributes(address)
        case .getObjectSetting(var address, let setting):
            address.asOf = asOf
            return .getObjectSetting(address, setting)
        case .listObjects(let bucket, var list):
            list.asOf = asOf
            return .listObjects(bucket, list)
        case .listObjectsV2(let bucket, var list):
            list.asOf = asOf
            return .listObjectsV2(bucket, list)
        // Asked by clients before they read: what they are told is the same for all times.
        case .headBucket, .getBucketLocation: return self
        default:
            throw PastError(
                .noPast,
                "\(PastHeader.asOf) goes with reads of objects: GET, HEAD, lists, attributes and tags; not with this")
        }
    }
}
