package oss

import (
	"context"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// call is a call of the SDK.
type call[I, O any] = func(context.Context, *I, ...func(*alioss.Options)) (*O, error)

// api has the calls of OSS that the sink makes. The client itself is not kept: the
// linker would keep all its methods, of which there are hundreds, for reflection.
type api struct {
	putObject               call[alioss.PutObjectRequest, alioss.PutObjectResult]
	getObject               call[alioss.GetObjectRequest, alioss.GetObjectResult]
	headObject              call[alioss.HeadObjectRequest, alioss.HeadObjectResult]
	initiateMultipartUpload call[alioss.InitiateMultipartUploadRequest, alioss.InitiateMultipartUploadResult]
	uploadPart              call[alioss.UploadPartRequest, alioss.UploadPartResult]
	completeMultipartUpload call[alioss.CompleteMultipartUploadRequest, alioss.CompleteMultipartUploadResult]
	abortMultipartUpload    call[alioss.AbortMultipartUploadRequest, alioss.AbortMultipartUploadResult]
	deleteObject            call[alioss.DeleteObjectRequest, alioss.DeleteObjectResult]
	listObjectsV2           call[alioss.ListObjectsV2Request, alioss.ListObjectsV2Result]
	listObjectVersions      call[alioss.ListObjectVersionsRequest, alioss.ListObjectVersionsResult]
	getBucketVersioning     call[alioss.GetBucketVersioningRequest, alioss.GetBucketVersioningResult]
	getBucketWorm           call[alioss.GetBucketWormRequest, alioss.GetBucketWormResult]
	putObjectRetention      call[alioss.PutObjectRetentionRequest, alioss.PutObjectRetentionResult]
	getObjectRetention      call[alioss.GetObjectRetentionRequest, alioss.GetObjectRetentionResult]
}

func newAPI(c *alioss.Client) api {
	return api{
		putObject:               c.PutObject,
		getObject:               c.GetObject,
		headObject:              c.HeadObject,
		initiateMultipartUpload: c.InitiateMultipartUpload,
		uploadPart:              c.UploadPart,
		completeMultipartUpload: c.CompleteMultipartUpload,
		abortMultipartUpload:    c.AbortMultipartUpload,
		deleteObject:            c.DeleteObject,
		listObjectsV2:           c.ListObjectsV2,
		listObjectVersions:      c.ListObjectVersions,
		getBucketVersioning:     c.GetBucketVersioning,
		getBucketWorm:           c.GetBucketWorm,
		putObjectRetention:      c.PutObjectRetention,
		getObjectRetention:      c.GetObjectRetention,
	}
}
